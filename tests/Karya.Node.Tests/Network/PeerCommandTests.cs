using System.Buffers;
using System.Reflection;
using Karya.Engine;
using Karya.Node.Network;
using Xunit;

namespace Karya.Node.Tests.Network;

/// <summary>What one node sends, the other has; what is none of it, is refused.</summary>
public sealed class PeerCommandTests
{
    private static readonly string[] LeftBehind =
    [
        nameof(Command.Epoch), nameof(Command.MayPassOn), nameof(Command.ReplyTo), nameof(Command.Tag),
    ];

    [Fact]
    public void Every_field_arrives_but_those_that_are_of_the_sender_alone()
    {
        var sent = Full();
        Assert.True(PeerCommand.TryRead(PeerCommand.Write(sent), out var got));

        Assert.Equal(sent.Payload.AsSpan(0, sent.PayloadBytes), got.Payload.AsSpan(0, got.PayloadBytes));
        foreach (var field in typeof(Command).GetFields().Where(field => field.Name != nameof(Command.Payload)))
        {
            object? default_ = field.FieldType.IsValueType ? Activator.CreateInstance(field.FieldType) : null;
            object? wanted = LeftBehind.Contains(field.Name) ? default_ : field.GetValue(sent);
            if (field.FieldType == typeof(PlanSpec))
                AssertSameSpec(sent.Spec, got.Spec);
            else
                Assert.Equal(wanted, field.GetValue(got));
            if (!LeftBehind.Contains(field.Name))
                Assert.NotEqual(default_, wanted); // Else this test would not see that it was forgotten.
        }

        ArrayPool<byte>.Shared.Return(got.Payload!);
    }

    [Fact]
    public void An_end_of_an_attempt_without_a_payload_arrives_without_one()
    {
        var sent = new Command { Kind = CommandKind.AttemptSucceeded, Key = new TaskKey(new PlanId(5), 1, 0) };
        Assert.True(PeerCommand.TryRead(PeerCommand.Write(sent), out var got));
        Assert.Null(got.Payload);
        Assert.Null(got.Hooks);
        Assert.Null(got.Cron);
    }

    [Fact]
    public void What_is_cut_or_changed_is_refused_or_read_and_never_throws()
    {
        byte[] bytes = PeerCommand.Write(Full());
        for (int length = 0; length < bytes.Length; length++)
            Assert.False(PeerCommand.TryRead(bytes.AsSpan(0, length), out _));
        int refused = 0;
        for (int at = 0; at < bytes.Length; at++)
        {
            byte[] changed = [.. bytes];
            changed[at] = 0xC1;
            if (!PeerCommand.TryRead(changed, out var got))
                refused++;
            else if (got.Payload is { } payload)
                ArrayPool<byte>.Shared.Return(payload);
        }

        Assert.True(refused > 50, $"{refused} of {bytes.Length} are refused");
    }

    private static void AssertSameSpec(PlanSpec sent, PlanSpec got)
    {
        foreach (var field in typeof(PlanSpec).GetFields(BindingFlags.Public | BindingFlags.Instance))
        {
            Assert.Equal(field.GetValue(sent), field.GetValue(got));
            Assert.NotEqual(Activator.CreateInstance(field.FieldType), field.GetValue(sent));
        }
    }

    private static Command Full()
    {
        byte[] payload = [1, 2, 3, 4];
        return new Command
        {
            Kind = CommandKind.Update,
            Update = PlanUpdate.Hooks,
            Retryable = true,
            IsAccepted = true,
            MayExist = true,
            MayPassOn = true,
            IsPulled = true,
            Partition = 3,
            Attempt = 4,
            Epoch = 5,
            Lane = uint.MaxValue,
            MadeFrom = ulong.MaxValue,
            Key = new TaskKey(new PlanId(UInt128.MaxValue), long.MaxValue, 7),
            AtMs = 8,
            DueMs = 9,
            Failure = FailureClass.Dns,
            RetryAfterMs = 10,
            Spec = new PlanSpec
            {
                Id = new PlanId(1),
                User = new UserId(2),
                Parent = new PlanId(3),
                CreatedMs = 4,
                FirstDueMs = 5,
                PeriodMs = 6,
                EndMs = PlanSpec.NoEnd,
                Kind = ScheduleKind.Cron,
                Misfire = MisfirePolicy.All,
                AttemptsMax = 9,
                RetryDelayMs = 10,
                RetryDelayMsMax = 11,
                Lane = 12,
                IsPulled = true,
                HookCount = 2,
                CronBytes = 13,
            },
            Hooks =
            [
                new HookSpec(HookTrigger.OnFailure, 1, 2, true), new HookSpec(HookTrigger.OnCompletion, 3, 4),
            ],
            Cron = [5, 6],
            Payload = payload,
            PayloadBytes = 3,
            Tag = 11,
        };
    }
}
