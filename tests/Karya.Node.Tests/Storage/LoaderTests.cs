using Karya.Engine;
using Karya.Node.Storage;
using Karya.Node.Tests.Joined;
using Xunit;

namespace Karya.Node.Tests.Storage;

public sealed class LoaderTests : IDisposable
{
    /// <summary>Where plans lie that the shards did not load when they were opened.</summary>
    private const long FarMs = ShardRig.NowMs + 10 * ShardRig.HorizonMs;

    private static readonly HorizonRequest Far = new(FarMs, FarMs + ShardRig.HorizonMs);

    private readonly StoreFolder _folder = new();
    private readonly FaultyStore _store;
    private readonly ShardRig _rig;
    private readonly Loader _loader;

    public LoaderTests()
    {
        _store = new FaultyStore(_folder.File);
        _rig = new ShardRig(_store, shardCount: 2);
        _loader = new Loader(_store, _rig.Shards, ShardRig.PartitionCount);
        _loader.Start();
    }

    public void Dispose()
    {
        _loader.Dispose();
        _rig.Dispose();
        _store.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public async Task A_window_of_more_plans_than_a_page_holds_comes_whole()
    {
        Store(shard: 0, count: 2500);
        _loader.Post(0, Far);
        await Until.TrueAsync(() => ResidentAfterTurn(0) == 2500, "all pages are taken");
    }

    [Fact]
    public async Task Only_plans_of_the_shards_own_partitions_come()
    {
        Store(shard: 0, count: 30);
        Store(shard: 1, count: 20);
        _loader.Post(1, Far);
        await Until.TrueAsync(() => ResidentAfterTurn(1) == 20, "its plans are taken");
        Assert.Equal(0, ResidentAfterTurn(0));
    }

    [Fact]
    public async Task A_window_is_half_open()
    {
        Store(shard: 0, count: 3);
        _loader.Post(0, new HorizonRequest(FarMs, FarMs + 2));
        await Until.TrueAsync(() => ResidentAfterTurn(0) == 2, "two of the three are taken");
    }

    [Fact]
    public async Task A_command_whose_plan_is_not_there_is_answered_when_the_load_says_so()
    {
        var reply = new Answers();
        var effects = Post(CommandKind.Cancel, _rig.IdFor(0, 1), reply);
        var request = Assert.Single(effects.PlanRequests.Span.ToArray());
        _loader.Post(0, request);
        Assert.Equal(ReplyCode.NotFound, await NextAsync(reply));
    }

    [Fact]
    public async Task A_load_that_failed_answers_the_command_that_waited_for_it_with_overloaded()
    {
        Store(shard: 0, count: 1);
        var reply = new Answers();
        var request = Assert.Single(Post(CommandKind.Cancel, _rig.IdFor(0, 1), reply).PlanRequests.Span.ToArray());
        _store.FailsLoads = true;
        _loader.Post(0, request);
        Assert.Equal(ReplyCode.Overloaded, await NextAsync(reply));
        Assert.Equal(0, _rig.Shards[0].Status.ResidentPlans);

        _store.FailsLoads = false;
        request = Assert.Single(Post(CommandKind.Cancel, _rig.IdFor(0, 1), reply).PlanRequests.Span.ToArray());
        _loader.Post(0, request);
        await Until.TrueAsync(() => ResidentAfterTurn(0) == 1, "the plan is loaded");
    }

    [Fact]
    public async Task A_failed_window_is_asked_for_again()
    {
        Store(shard: 0, count: 5);
        _store.FailsLoads = true;
        long nowMs = FarMs;
        var window = Assert.Single(_rig.Shards[0].Turn(nowMs).HorizonRequests.Span.ToArray());
        _loader.Post(0, window);
        await Until.TrueAsync(
            () =>
            {
                nowMs += 1000; // The shard waits a second before it asks again.
                return _rig.Shards[0].Turn(nowMs).HorizonRequests.Count > 0;
            },
            "the shard hears of the failure and asks again");
        _store.FailsLoads = false;
        _loader.Post(0, new HorizonRequest(window.FromMs, nowMs + 1));
        await Until.TrueAsync(() => ResidentAfterTurn(0, nowMs) == 5, "the plans are taken");
    }

    /// <summary>
    /// Puts plans into the tables that no shard has in memory, one due each millisecond from <see cref="FarMs"/> on.
    /// </summary>
    private void Store(int shard, int count)
    {
        // Taken from a real shard of its own, which makes what real shards can read.
        using var folder = new StoreFolder();
        using var scratch = new FaultyStore(folder.File);
        using var rig = new ShardRig(scratch, shardCount: 2);
        for (int number = 1; number <= count; number++)
        {
            var command = ShardRig.CommandFor(
                rig.IdFor(shard, number), CommandKind.Submit, FarMs - ShardRig.NowMs + number - 1);
            Assert.True(rig.Shards[shard].Inbox.TryPost(command));
            if (number % Limits.CommandsPerTurnMax == 0)
                rig.Turn(shard);
        }

        rig.Turn(shard);
        while (rig.Shards[shard].Status.ProjectedPosition < rig.Shards[shard].Status.Position)
        {
            Assert.Equal(CommitResult.Committed, _store.Project(rig.NextBatch(shard)));
            rig.Shards[shard].Inbox.PostProjected();
            rig.Turn(shard);
        }
    }

    private EffectList Post(CommandKind kind, PlanId id, IReplyTarget reply)
    {
        var command = ShardRig.CommandFor(id, kind);
        command.ReplyTo = reply;
        Assert.True(_rig.Shards[0].Inbox.TryPost(command));
        return _rig.Turn();
    }

    private async Task<ReplyCode> NextAsync(Answers answers)
    {
        await Until.TrueAsync(
            () =>
            {
                foreach (ref readonly var reply in _rig.Shards[0].Turn(ShardRig.NowMs).Replies.Span)
                    reply.Target.Complete(reply);
                return answers.Last is not null;
            },
            "the command is answered");
        var code = answers.Last!.Value;
        answers.Last = null;
        return code;
    }

    private long ResidentAfterTurn(int shard, long nowMs = ShardRig.NowMs)
    {
        _rig.Shards[shard].Turn(nowMs);
        return _rig.Shards[shard].Status.ResidentPlans;
    }

    private sealed class Answers : IReplyTarget
    {
        public ReplyCode? Last { get; set; }

        public void Complete(in Reply reply) => Last = reply.Code;
    }
}
