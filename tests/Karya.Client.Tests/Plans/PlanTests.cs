using Karya.Protocol.Messages;
using Xunit;

namespace Karya.Client.Tests.Plans;

/// <summary>What a plan may say, and that it reads back as it was written.</summary>
public sealed class PlanTests
{
    [Fact]
    public void A_plan_survives_the_way_to_a_message_and_back()
    {
        var owner = Guid.CreateVersion7();
        var plan = new Plan
        {
            Name = "all",
            Action = KaryaAction.Chain(new Plan
            {
                Name = "inner",
                Action = KaryaAction.Kafka("topic", "message", "key"),
                Schedule = Schedule.At(new DateTimeOffset(2026, 5, 1, 12, 0, 0, TimeSpan.Zero)),
                User = owner,
            }),
            Schedule = Schedule.Every(TimeSpan.FromMinutes(1), DateTimeOffset.UnixEpoch) with
            {
                EndAt = DateTimeOffset.UnixEpoch.AddDays(1),
            },
            MaxRetries = 7,
            RetryDelay = TimeSpan.FromSeconds(1),
            RetryDelayMax = TimeSpan.FromSeconds(9),
            Missed = MissedRuns.All,
            User = owner,
            Id = Guid.CreateVersion7(),
        };

        var back = Plan.From(plan.ToMessage(user: 0));

        Assert.Equal(plan.ToMessage(0).Schedule, back.ToMessage(0).Schedule);
        Assert.Equal(plan with { Action = back.Action, Hooks = back.Hooks }, back);
        var inner = Assert.IsType<KaryaAction.ChainedPlan>(back.Action).Plan;
        Assert.Equal(("inner", owner), (inner.Name, inner.User));
        Assert.Equal(new KaryaAction.KafkaRecord("topic", "key", "message"), inner.Action);
    }

    [Fact]
    public void Times_that_make_no_sense_are_refused_where_they_are_written()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => Schedule.After(TimeSpan.FromTicks(-1)));
        Assert.Throws<ArgumentOutOfRangeException>(() => Schedule.Every(TimeSpan.Zero));
        Assert.Throws<ArgumentOutOfRangeException>(() => Schedule.After(TimeSpan.FromDays(40_000)));
        Assert.Throws<ArgumentOutOfRangeException>(
            () => KaryaAction.Http(HttpMethod.Get, "http://a", timeout: TimeSpan.Zero));
    }

    [Theory]
    [InlineData("")]
    [InlineData("Resize")]
    [InlineData("a b")]
    [InlineData("ä")]
    public void A_task_name_with_other_letters_is_refused(string name)
    {
        var e = Assert.Throws<ArgumentException>(() => KaryaAction.Task(name, 1));
        Assert.Contains("1 to 128 of a-z, 0-9, '.', '_' and '-'", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_task_name_of_128_letters_is_fine_and_129_are_not()
    {
        Assert.NotNull(KaryaAction.Task(new string('a', 128), 1));
        Assert.Throws<ArgumentException>(() => KaryaAction.Task(new string('a', 129), 1));
    }
}
