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

    [Fact]
    public void Failing_one_partition_answers_its_replies_in_order_and_keeps_the_others_in_theirs()
    {
        for (ulong i = 1; i <= 9; i++)
            Park(position: (long)i, number: i, partition: (int)i % 3);
        _queue.Fail(1, ReplyCode.Unknown, _released);
        Assert.Equal([1UL, 4UL, 7UL], Numbers());
        Assert.All(_released.Span.ToArray(), reply => Assert.Equal(ReplyCode.Unknown, reply.Code));

        _released.Clear();
        _queue.Release(8, _released);
        Assert.Equal([2UL, 3UL, 5UL, 6UL, 8UL], Numbers());
        Assert.All(_released.Span.ToArray(), reply => Assert.Equal(ReplyCode.Ok, reply.Code));
        Assert.Equal(1, _queue.Count);
    }

    [Fact]
    public void Failing_one_partition_leaves_what_waits_for_all_of_them()
    {
        Park(position: 1, number: 1, partition: -1);
        _queue.Fail(0, ReplyCode.Unknown, _released);

        Assert.Equal(1, _queue.Count);
    }

    [Fact]
    public void Failing_partitions_at_random_while_the_ring_grows_and_turns_keeps_the_order_of_the_others()
    {
        var random = new Random(12);
        List<(long Position, int Partition, ulong Number)> expected = [];
        for (ulong number = 1; number <= 20_000; number++)
        {
            int partition = random.Next(5);
            Park((long)number, number, partition);
            expected.Add(((long)number, partition, number));
            if (random.Next(100) != 0)
                continue;
            _released.Clear();
            int lost = random.Next(5);
            _queue.Fail(lost, ReplyCode.Unknown, _released);
            Assert.Equal(expected.Where(e => e.Partition == lost).Select(e => e.Number), Numbers());
            expected.RemoveAll(e => e.Partition == lost);
            _released.Clear();
            long durable = (long)number - random.Next(300);
            _queue.Release(durable, _released);
            Assert.Equal(expected.Where(e => e.Position <= durable).Select(e => e.Number), Numbers());
            expected.RemoveAll(e => e.Position <= durable);
            Assert.Equal(expected.Count, _queue.Count);
        }
    }

    private void Park(long position, ulong number, int partition = 0) =>
        _queue.Park(position, partition, new Reply { Plan = new PlanId(number), Target = new Answer() });

    private ulong[] Numbers() => [.. _released.Span.ToArray().Select(r => (ulong)r.Plan.Value)];
}
