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

    private static List<int> TakeAll(ReadyQueue queue)
    {
        List<int> taken = [];
        while (queue.TryTake(out int task))
            taken.Add(task);
        return taken;
    }
}
