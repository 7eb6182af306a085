using Karya.Client.Tests.Fakes;
using Karya.Protocol;
using Karya.Protocol.Messages;
using Xunit;

namespace Karya.Client.Tests.Plans;

/// <summary>Plans in batches.</summary>
public sealed class SubmitManyTests : IAsyncDisposable
{
    private readonly FakeNode _node = new();
    private readonly KaryaClient _client;

    public SubmitManyTests() => _client = _node.Client();

    public async ValueTask DisposeAsync()
    {
        await _client.DisposeAsync();
        await _node.DisposeAsync();
    }

    [Fact]
    public async Task Outcomes_are_in_order_whatever_order_the_batches_are_answered_in()
    {
        var outcomes = Submit(Plans(5), new SubmitManyOptions { BatchSize = 2, MaxBatchesInFlight = 3 });
        var connection = await _node.AcceptAsync();
        var batches = new List<(uint Id, SubmitManyRequest Message)>();
        for (int i = 0; i < 3; i++)
            batches.Add(await connection.ExpectAsync<SubmitManyRequest>());
        foreach (var (id, message) in Enumerable.Reverse(batches))
            await connection.ReplyAsync(id, Taken(message));

        var all = await outcomes.Soonly();

        Assert.Equal([2, 2, 1], batches.Select(batch => batch.Message.Plans.Count));
        Assert.Equal([0, 1, 2, 3, 4], all.Select(outcome => outcome.Index));
        Assert.Equal(["0", "1", "2", "3", "4"], all.Select(outcome => outcome.Plan.Name));
        Assert.All(all, outcome => Assert.True(outcome.IsTaken));
    }

    [Fact]
    public async Task Not_more_batches_are_on_their_way_than_allowed()
    {
        int produced = 0;
        var plans = Plans(100).Select(plan =>
        {
            produced++;
            return plan;
        });
        var outcomes = Submit(plans, new SubmitManyOptions { BatchSize = 10, MaxBatchesInFlight = 2 });
        var connection = await _node.AcceptAsync();
        await connection.ExpectAsync<SubmitManyRequest>();
        var (id, second) = await connection.ExpectAsync<SubmitManyRequest>();
        await connection.ReplyAsync(id, Taken(second)); // Not the first: its outcomes come first.
        await _client.PingAsync().Soonly();

        Assert.Null(connection.Arrived);
        Assert.InRange(produced, 20, 21);
        await connection.DisposeAsync();
        Assert.False(outcomes.IsCompletedSuccessfully);
    }

    [Fact]
    public async Task A_bad_plan_does_not_sink_the_rest()
    {
        Plan[] plans =
        [
            Samples.Plan with { Name = "good" },
            Samples.Plan with { Name = "no end", Schedule = Schedule.Now with { EndAt = DateTimeOffset.UnixEpoch } },
            Samples.Plan with { Name = "refused" },
            Samples.Plan with { Name = "there" },
        ];
        var outcomes = Submit(plans, null);
        var connection = await _node.AcceptAsync();
        var (id, batch) = await connection.ExpectAsync<SubmitManyRequest>();
        await connection.ReplyAsync(id, new SubmitManyReply(
            Durability.Durable,
            [
                new SubmitResult(1, false, null),
                new SubmitResult(0, false, Samples.Error(ErrorCode.IdempotencyKeyReused)),
                new SubmitResult(3, true, null),
            ]));

        var all = await outcomes.Soonly();

        Assert.Equal(["good", "refused", "there"], batch.Plans.Select(plan => plan.Plan.Content.Name));
        Assert.Equal([true, false, false, true], all.Select(outcome => outcome.IsTaken));
        Assert.Contains("EndAt", all[1].Error!.Message, StringComparison.Ordinal);
        Assert.IsType<KaryaConflictException>(all[2].Error);
        Assert.Equal((Uuids.ToGuid(3), true), (all[3].Id, all[3].Existed));
    }

    [Fact]
    public async Task A_batch_is_cut_before_it_gets_too_long_for_a_frame()
    {
        _node.Limits = _node.Limits with { FrameLengthMax = 64 * 1024 };
        await _client.PingAsync().Soonly();
        var plan = Samples.Plan with { Action = KaryaAction.Task("a", new byte[20_000]) };
        var outcomes = Submit(Enumerable.Repeat(plan, 4), null);
        var connection = await _node.AcceptAsync();
        int left = 4;
        while (left > 0)
        {
            var (id, batch) = await connection.ExpectAsync<SubmitManyRequest>();
            Assert.InRange(batch.Plans.Count, 1, 3);
            left -= batch.Plans.Count;
            await connection.ReplyAsync(id, Taken(batch));
        }

        Assert.All(await outcomes.Soonly(), outcome => Assert.True(outcome.IsTaken));
    }

    [Fact]
    public async Task A_batch_has_one_durability()
    {
        var outcomes = Submit([.. Plans(2), Samples.Plan with { Durability = Durability.Accepted }], null);
        var connection = await _node.AcceptAsync();
        var durable = await AnswerAsync(connection);
        var accepted = await AnswerAsync(connection);

        Assert.Equal((Durability.Durable, 2), (durable.Durability, durable.Plans.Count));
        Assert.Equal((Durability.Accepted, 1), (accepted.Durability, accepted.Plans.Count));
        Assert.Equal(Durability.Accepted, (await outcomes.Soonly())[2].Durability);
    }

    [Fact]
    public async Task A_batch_whose_answer_is_lost_is_unknown_and_the_next_one_goes_on()
    {
        var outcomes = Submit(Plans(2), new SubmitManyOptions { BatchSize = 1, MaxBatchesInFlight = 1 });
        var first = await _node.AcceptAsync();
        await first.ExpectAsync<SubmitManyRequest>();
        await first.DisposeAsync();
        await AnswerAsync(await _node.AcceptAsync());

        var all = await outcomes.Soonly();

        Assert.Equal(ErrorCode.Unknown, all[0].Error!.Code);
        Assert.True(all[1].IsTaken);
    }

    [Fact]
    public async Task A_batch_of_plans_with_keys_is_sent_again()
    {
        var outcomes = Submit(Plans(2).Select(plan => plan with { IdempotencyKey = plan.Name }), null);
        var first = await _node.AcceptAsync();
        await first.ExpectAsync<SubmitManyRequest>();
        await first.DisposeAsync();
        await AnswerAsync(await _node.AcceptAsync());

        Assert.All(await outcomes.Soonly(), outcome => Assert.True(outcome.IsTaken));
    }

    private static IEnumerable<Plan> Plans(int count) =>
        Enumerable.Range(0, count).Select(i => Samples.Plan with { Name = $"{i}" });

    private static SubmitManyReply Taken(SubmitManyRequest request) => new(
        request.Durability, [.. request.Plans.Select((_, i) => new SubmitResult((UInt128)(i + 1), false, null))]);

    private static async Task<SubmitManyRequest> AnswerAsync(FakeConnection connection)
    {
        var (id, batch) = await connection.ExpectAsync<SubmitManyRequest>();
        await connection.ReplyAsync(id, Taken(batch));
        return batch;
    }

    /// <summary>Batches that wait for a connection may overtake one another; so there is one.</summary>
    private async Task<List<SubmitOutcome>> Submit(IEnumerable<Plan> plans, SubmitManyOptions? options)
    {
        await _client.PingAsync().Soonly();
        return await _client.SubmitManyAsync(plans, options).ToListAsync();
    }
}
