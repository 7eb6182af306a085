using Karya.Engine.Dispatching;
using Karya.Engine.Tables;
using Xunit;

namespace Karya.Engine.Tests.Dispatching;

public sealed class ReadyQueueTests
{
    private readonly Slab<TaskEntry> _tasks = new();

    [Fact]
    public void Tasks_of_one_lane_come_out_first_in_first_out()
    {
        var queue = new ReadyQueue(_tasks, 100, 100);
        int[] tasks = [.. Enumerable.Range(0, 10).Select(_ => Add(queue, lane: 1))];

        Assert.Equal(tasks, TakeAll(queue));
    }

    [Fact]
    public void Lanes_take_turns_however_long_their_queues_are()
    {
        var queue = new ReadyQueue(_tasks, 1000, 1000);
        for (int i = 0; i < 100; i++)
            Add(queue, lane: 1);
        Add(queue, lane: 2);
        Add(queue, lane: 2);
        Add(queue, lane: 3);

        Assert.Equal([1u, 2u, 3u, 1u, 2u, 1u, 1u], TakeAll(queue).Take(7).Select(t => _tasks[t].Lane));
    }

    [Fact]
    public void A_lane_at_its_limit_holds_up_nobody_but_itself()
    {
        var queue = new ReadyQueue(_tasks, 100, laneInFlightMax: 2);
        for (int i = 0; i < 10; i++)
            Add(queue, lane: 1);
        Add(queue, lane: 2);
        Assert.Equal([1u, 2u, 1u], TakeAll(queue).Select(t => _tasks[t].Lane));
        Assert.False(queue.CanTake);
        Assert.Equal((8, 3, 2), (queue.Waiting, queue.InFlight, queue.LaneCount));

        queue.Release(1);
        Assert.Equal(1u, _tasks[Assert.Single(TakeAll(queue))].Lane);
    }

    [Fact]
    public void No_more_run_in_total_than_the_limit()
    {
        var queue = new ReadyQueue(_tasks, inFlightMax: 3, 100);
        for (uint lane = 0; lane < 10; lane++)
            Add(queue, lane);
        Assert.Equal(3, TakeAll(queue).Count);
        Assert.False(queue.CanTake);

        queue.Release(0);
        Assert.True(queue.CanTake);
        Assert.Single(TakeAll(queue));
    }

    [Fact]
    public void A_lane_that_nobody_uses_is_forgotten()
    {
        var queue = new ReadyQueue(_tasks, 10, 10);
        for (uint lane = 0; lane < 10_000; lane++)
        {
            Add(queue, lane);
            Assert.Single(TakeAll(queue));
            queue.Release(lane);
            Assert.Equal(0, queue.LaneCount);
        }

        Assert.Equal((0, 0), (queue.Waiting, queue.InFlight));
    }

    [Fact]
    public void Giving_back_a_place_that_nobody_holds_is_a_bug_that_is_noticed()
    {
        var queue = new ReadyQueue(_tasks, 10, 10);
        Assert.Throws<InvariantException>(() => queue.Release(5));

        Add(queue, lane: 5);
        Assert.Throws<InvariantException>(() => queue.Release(5));
    }

    [Fact]
    public void A_task_is_marked_while_it_waits_and_a_detached_one_comes_out_as_such()
    {
        var queue = new ReadyQueue(_tasks, 10, 10);
        int task = Add(queue, lane: 1);
        Assert.True(_tasks[task].IsReady);
        _tasks[task].IsDetached = true;

        Assert.True(queue.TryTake(out int taken));
        Assert.Equal(task, taken);
        Assert.True(_tasks[taken].IsDetached);
        Assert.False(_tasks[taken].IsReady);
    }

    [Fact]
    public void Attempts_of_a_paced_lane_come_at_its_pace_and_others_do_not_wait()
    {
        var queue = new ReadyQueue(_tasks, 1000, 1000, new LanePace(IntervalUs: 250_000, Unpaced: 9));
        for (int i = 0; i < 3; i++)
        {
            Add(queue, lane: 1);
            Add(queue, lane: 9);
        }

        Add(queue, lane: 2);
        Assert.Equal([1u, 9u, 2u, 9u, 9u], StartAll(queue, 1000));
        Assert.Equal((1, 1250L), (queue.PacedCount, queue.NextMs));
        queue.Advance(1249);
        Assert.False(queue.CanTake);

        queue.Advance(1250);
        Assert.Equal([1u], StartAll(queue, 1250));
        queue.Advance(1600); // Late: what was missed is not made up for.
        Assert.Equal([1u], StartAll(queue, 1600));
        Assert.Equal(0, queue.PacedCount);
    }

    [Fact]
    public void A_fast_pace_lets_several_start_within_a_millisecond_and_is_right_on_average()
    {
        var queue = new ReadyQueue(_tasks, 10_000, 10_000, new LanePace(IntervalUs: 300));
        for (int i = 0; i < 5000; i++)
            Add(queue, lane: 1);
        int started = 0;
        for (long nowMs = 0; nowMs < 300; nowMs++)
        {
            queue.Advance(nowMs);
            int now = StartAll(queue, nowMs).Count;
            Assert.InRange(now, 3, 4);
            started += now;
        }

        Assert.Equal(1000, started);
    }

    [Fact]
    public void A_lane_keeps_its_pace_while_nothing_of_it_waits_or_runs_and_is_forgotten_then()
    {
        var queue = new ReadyQueue(_tasks, 10, 10, new LanePace(IntervalUs: 100_000));
        Add(queue, lane: 1);
        StartAll(queue, 1000);
        queue.Release(1);
        Assert.Equal((1, 0), (queue.LaneCount, queue.PacedCount));

        Add(queue, lane: 1);
        Assert.False(queue.CanTake);
        Assert.Equal(1, queue.PacedCount);
        queue.Advance(1100);
        Assert.Single(StartAll(queue, 1100));
        queue.Release(1);
        queue.Advance(1200);
        Assert.Equal((0, 0, long.MaxValue), (queue.LaneCount, queue.PacedCount, queue.NextMs));
    }

    [Fact]
    public void A_task_that_was_cancelled_while_it_waited_uses_up_no_turn()
    {
        var queue = new ReadyQueue(_tasks, 10, 10, new LanePace(IntervalUs: 100_000));
        _tasks[Add(queue, lane: 1)].IsDetached = true;
        Add(queue, lane: 1);
        Assert.True(queue.TryTake(out int cancelled));
        Assert.True(_tasks[cancelled].IsDetached);
        queue.Release(1);

        Assert.Equal([1u], StartAll(queue, 1000));
    }

    [Fact]
    public void A_paced_lane_that_is_parked_stays_parked_when_its_turn_comes()
    {
        var queue = new ReadyQueue(_tasks, 10, 10, new LanePace(IntervalUs: 100_000));
        Add(queue, lane: 1);
        Add(queue, lane: 1);
        StartAll(queue, 1000);
        queue.SetLimit(1, 0);
        queue.Advance(1100);
        Assert.False(queue.CanTake);

        queue.SetLimit(1, 10);
        Assert.Single(StartAll(queue, 1100));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Thousands_of_random_operations_agree_with_a_model(int seed)
    {
        const int laneLimit = 3;
        const int totalLimit = 12;
        var random = new Random(seed);
        var queue = new ReadyQueue(_tasks, totalLimit, laneLimit);
        var waiting = new Dictionary<uint, Queue<int>>();
        var running = new List<int>();
        for (int i = 0; i < 30_000; i++)
        {
            int choice = random.Next(10);
            if (choice < 4 && waiting.Values.Sum(q => q.Count) < 200)
            {
                uint lane = (uint)random.Next(8);
                waiting.TryAdd(lane, new Queue<int>());
                waiting[lane].Enqueue(Add(queue, lane));
            }
            else if (choice < 7)
            {
                bool isExpected = running.Count < totalLimit && waiting.Any(pair =>
                    pair.Value.Count > 0 && running.Count(t => _tasks[t].Lane == pair.Key) < laneLimit);
                Assert.Equal(isExpected, queue.CanTake);
                Assert.Equal(isExpected, queue.TryTake(out int task));
                if (!isExpected)
                    continue;
                Assert.Equal(waiting[_tasks[task].Lane].Dequeue(), task);
                running.Add(task);
                Assert.True(running.Count(t => _tasks[t].Lane == _tasks[task].Lane) <= laneLimit);
            }
            else if (running.Count > 0)
            {
                int index = random.Next(running.Count);
                queue.Release(_tasks[running[index]].Lane);
                _tasks.Free(running[index]);
                running.RemoveAt(index);
            }

            Assert.Equal((running.Count, waiting.Values.Sum(q => q.Count)), (queue.InFlight, queue.Waiting));
        }
    }

    private int Add(ReadyQueue queue, uint lane)
    {
        int task = _tasks.Take();
        _tasks[task] = new TaskEntry { Lane = lane };
        queue.Enqueue(task);
        return task;
    }

    /// <summary>Takes and starts what may go now; the lanes in the order in which they went.</summary>
    private List<uint> StartAll(ReadyQueue queue, long nowMs)
    {
        List<uint> lanes = [];
        while (queue.TryTake(out int task))
        {
            lanes.Add(_tasks[task].Lane);
            queue.Started(_tasks[task].Lane, nowMs);
        }

        return lanes;
    }

    private static List<int> TakeAll(ReadyQueue queue)
    {
        List<int> taken = [];
        while (queue.TryTake(out int task))
            taken.Add(task);
        return taken;
    }
}
