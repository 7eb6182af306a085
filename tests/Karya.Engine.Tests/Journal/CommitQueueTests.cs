using Karya.Engine.Journal;
using Karya.Engine.Tests.Driving;
using Xunit;

namespace Karya.Engine.Tests.Journal;

public sealed class CommitQueueTests
{
    private readonly CommitQueue _queue = new();
    private readonly Rows<Reply> _released = new();

    [Fact]
    public void Replies_leave_in_order_up_to_the_durable_position()
    {
        for (ulong i = 1; i <= 5; i++)
            Park(position: (long)i / 2, number: i);

        _queue.Release(1, _released);

        Assert.Equal([1UL, 2UL, 3UL], Numbers());
        Assert.Equal(2, _queue.Count);
    }

    [Fact]
    public void Nothing_leaves_before_it_is_durable()
    {
        Park(position: 7, number: 1);
        _queue.Release(6, _released);

        Assert.Empty(Numbers());
    }

    [Fact]
    public void Thousands_of_replies_keep_their_order_while_the_ring_grows_and_turns()
    {
        var random = new Random(11);
        Queue<(long Position, ulong Number)> expected = new();
        List<ulong> released = [];
        long position = 0;
        for (ulong number = 1; number <= 20_000; number++)
        {
            position += random.Next(2);
            Park(position, number);
            expected.Enqueue((position, number));
            if (random.Next(300) != 0)
                continue;
            long durable = position - random.Next(200);
            _queue.Release(durable, _released);
            while (expected.TryPeek(out var first) && first.Position <= durable)
                released.Add(expected.Dequeue().Number);
            Assert.Equal(released, Numbers());
        }

        Assert.Equal(expected.Count, _queue.Count);
    }

    [Fact]
    public void All_that_waits_is_answered_with_another_code_when_the_journal_fails()
    {
        Park(position: 1, number: 1);
        Park(position: 2, number: 2);
        _queue.FailAll(ReplyCode.Unknown, _released);

        Assert.Equal([ReplyCode.Unknown, ReplyCode.Unknown], _released.Span.ToArray().Select(r => r.Code));
        Assert.Equal(0, _queue.Count);
    }

    private void Park(long position, ulong number) =>
        _queue.Park(position, partition: 0, new Reply { Plan = new PlanId(number), Target = new Answer() });

    private ulong[] Numbers() => [.. _released.Span.ToArray().Select(r => (ulong)r.Plan.Value)];
}
