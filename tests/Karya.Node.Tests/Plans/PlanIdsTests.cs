using Karya.Engine;
using Karya.Node.Plans;
using Karya.Protocol;
using Xunit;

namespace Karya.Node.Tests.Plans;

public sealed class PlanIdsTests
{
    private const long NowMs = 1_800_000_000_000;
    private const int PartitionCount = 256;

    private readonly PlanIds _ids = new();

    [Fact]
    public void Ids_of_one_millisecond_are_in_the_order_of_their_making_also_beyond_the_counter()
    {
        var last = _ids.New(NowMs);
        for (int i = 0; i < 10_000; i++)
        {
            var next = _ids.New(NowMs);
            Assert.True(next.CompareTo(last) > 0, $"Id {i}: {next} after {last}.");
            last = next;
        }

        Assert.Equal(NowMs + 2, MsOf(last)); // 10,001 ids at 4,096 a millisecond.
    }

    [Fact]
    public void A_clock_that_stands_still_or_runs_back_does_not_turn_the_order_around()
    {
        var first = _ids.New(NowMs);
        var second = _ids.New(NowMs - 5000);
        Assert.True(second.CompareTo(first) > 0);
        Assert.Equal(NowMs, MsOf(second));
    }

    [Fact]
    public void An_id_carries_its_millisecond_and_the_bits_of_a_version_7_uuid()
    {
        for (int i = 0; i < 1000; i++)
        {
            var id = _ids.New(NowMs + i);
            Assert.Equal(NowMs + i, MsOf(id));
            AssertIsVersion7(id);
        }
    }

    [Fact]
    public void An_id_is_drawn_until_its_partition_is_wanted_and_the_order_stays()
    {
        var last = _ids.New(NowMs);
        for (int i = 0; i < 200; i++)
        {
            int wanted = i % PartitionCount;
            var id = _ids.New(NowMs, PartitionCount, partition => partition == wanted);
            Assert.Equal(wanted, PartitionHash.Of(id.Value, PartitionCount));
            Assert.True(id.CompareTo(last) > 0);
            last = id;
        }
    }

    [Fact]
    public void The_same_source_of_chance_gives_the_same_ids()
    {
        static PlanId[] Draw()
        {
            var chance = new Random(7);
            var ids = new PlanIds(chance.NextBytes);
            return [.. Enumerable.Range(0, 2000).Select(i => ids.New(NowMs + i))];
        }

        Assert.Equal(Draw(), Draw());
    }

    [Fact]
    public async Task Ids_made_by_several_threads_are_all_different()
    {
        var made = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(
            () => Enumerable.Range(0, 5000).Select(_ => _ids.New(NowMs)).ToArray(),
            TestContext.Current.CancellationToken)));
        Assert.Equal(20_000, made.SelectMany(ids => ids).Distinct().Count());
    }

    [Fact]
    public void The_child_of_a_task_is_the_same_whenever_it_is_asked_for()
    {
        var task = new TaskKey(_ids.New(NowMs), 3, 1);
        int partition = PartitionHash.Of(task.Plan.Value, PartitionCount);
        Assert.Equal(
            PlanIds.OfChild(task, NowMs, partition, PartitionCount),
            PlanIds.OfChild(task, NowMs, partition, PartitionCount));
    }

    [Fact]
    public void The_children_of_different_tasks_differ_lie_in_the_partition_of_the_parent_and_are_version_7()
    {
        var children = new HashSet<PlanId>();
        for (int i = 0; i < 200; i++)
        {
            var plan = _ids.New(NowMs);
            int partition = PartitionHash.Of(plan.Value, PartitionCount);
            foreach (var task in (TaskKey[])[new(plan, 1, 0), new(plan, 2, 0), new(plan, 1, 1)])
            {
                var child = PlanIds.OfChild(task, NowMs + i, partition, PartitionCount);
                Assert.Equal(partition, PartitionHash.Of(child.Value, PartitionCount));
                Assert.Equal(NowMs + i, MsOf(child));
                AssertIsVersion7(child);
                Assert.True(children.Add(child));
            }
        }
    }

    private static long MsOf(PlanId id) => (long)(ulong)(id.Value >> 80);

    private static void AssertIsVersion7(PlanId id)
    {
        string text = id.ToString();
        Assert.Equal('7', text[14]);
        Assert.Contains(text[19], "89ab");
    }
}
