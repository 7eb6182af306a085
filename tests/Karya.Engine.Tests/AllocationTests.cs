using System.Buffers;
using Karya.Engine.Shards;
using Karya.Engine.Tests.Driving;
using Xunit;

namespace Karya.Engine.Tests;

/// <summary>Once warm, a plan's life makes no garbage. Arrays that were rented and not returned would show.</summary>
public sealed class AllocationTests : IDisposable
{
    private const int AttemptsMax = 10;
    private const int Lives = 2000;
    private const int PlansAtOnce = 8;
    private const int PlansAtOnceMax = 64; // Warm for more than is measured: how lives fall into batches varies.

    private static readonly byte[] LargeBody = new byte[1000];

    private readonly ShardInbox _inbox = new(1000, () => { });
    private readonly Shard _shard;
    private readonly Counter _answers = new();
    private readonly HookSpec[] _hooks = [PlanDraft.OnFailure(), PlanDraft.OnCompletion()];
    private long _nowMs = ShardDriver.StartMs;
    private int _plan;
    private int _plansAtOnce = PlansAtOnceMax;
    private int _started;
    private bool _fails;
    private byte[]? _result;

    public AllocationTests()
    {
        _shard = new Shard(new ShardOptions(0, 4, 1000, 1000, 1_000_000_000_000, 20, 100_000), _inbox, _nowMs);
        for (int partition = 0; partition < 4; partition++)
            _shard.Own(partition, 1, 0);
        _shard.Open(_nowMs);
        Assert.Equal(1, _shard.Turn(_nowMs).HorizonRequests.Count);
        _inbox.PostPage(new LoadedPage { IsLast = true });
    }

    public void Dispose() => _shard.Dispose();

    [Fact]
    public void A_plan_that_is_submitted_committed_fired_ended_and_projected_allocates_nothing()
    {
        AssertNoGarbage(() =>
        {
            Submit(periodMs: 0, dueInMs: 5, attempts: 1, hooks: null);
            Advance(10);
        });
        Assert.True(_started >= Lives);
    }

    [Fact]
    public void The_occurrences_of_a_recurring_plan_allocate_nothing()
    {
        Submit(periodMs: 10, dueInMs: 5, attempts: 1, hooks: null);
        AssertNoGarbage(() => Advance(10));
        Assert.True(_started >= Lives);
    }

    [Fact]
    public void The_occurrences_of_a_cron_plan_allocate_nothing()
    {
        Submit(periodMs: 0, dueInMs: 5, attempts: 1, hooks: null, cron: "* * * * * *\nEurope/Berlin"u8.ToArray());
        AssertNoGarbage(() =>
        {
            Advance(2);
            _nowMs += 996;
            Advance(2);
        });
        Assert.True(_started >= Lives);
    }

    [Fact]
    public void Failures_retries_and_hooks_allocate_nothing()
    {
        _fails = true;
        AssertNoGarbage(() =>
        {
            Submit(periodMs: 0, dueInMs: 5, attempts: 2, _hooks);
            Advance(40);
        });
        Assert.True(_started >= Lives * 4);
    }

    [Fact]
    public void Results_allocate_nothing_and_their_memory_is_given_back()
    {
        _result = new byte[5000];
        AssertNoGarbage(() =>
        {
            Submit(periodMs: 0, dueInMs: 5, attempts: 1, hooks: null);
            Advance(10);
        });
        Assert.True(_started >= Lives);
    }

    [Fact]
    public void Scheduling_and_cancelling_allocate_nothing()
    {
        AssertNoGarbage(() =>
        {
            int first = _plan + 1;
            Submit(periodMs: 60_000, dueInMs: 3_600_000, attempts: 1, hooks: null);
            Advance(2);
            for (int plan = first; plan <= _plan; plan++)
            {
                _inbox.TryPost(new Command
                {
                    Kind = CommandKind.Cancel,
                    Partition = plan % 4,
                    Key = new TaskKey(PlanDraft.Plan(plan), 0, 0),
                    AtMs = _nowMs,
                    ReplyTo = _answers,
                });
            }

            Advance(30);
        });
        Assert.Equal(0, _started);
        Assert.Equal(0, _shard.Status.ResidentPlans);
    }

    [Fact]
    public void Updates_of_a_plan_take_no_more_and_more_memory()
    {
        Submit(periodMs: 60_000, dueInMs: 3_600_000, attempts: 1, _hooks);
        AssertNoGarbage(() =>
        {
            for (int plan = 1; plan <= PlansAtOnce; plan++)
                Update(plan);
            Advance(3);
        });
    }

    private void AssertNoGarbage(Action life)
    {
        for (int i = 0; i < 100; i++)
            life();
        _plansAtOnce = PlansAtOnce;
        for (int i = 0; i < Lives; i++)
            life();
        int before = _answers.Count;
        long bytes = 0;
        for (int attempt = 0; attempt < AttemptsMax; attempt++)
        {
            // Full collections, which other tests cause, have the shared pool drop arrays, by way of a finalizer.
            GC.WaitForPendingFinalizers();
            int collections = GC.CollectionCount(GC.MaxGeneration);
            life();
            bytes = GC.GetAllocatedBytesForCurrentThread();
            for (int i = 0; i < Lives; i++)
                life();
            bytes = GC.GetAllocatedBytesForCurrentThread() - bytes;
            if (bytes == 0 || GC.CollectionCount(GC.MaxGeneration) == collections)
                break;
        }

        Assert.True(_answers.Count > before);
        Assert.True(bytes == 0, $"{bytes} bytes in {Lives} rounds.");
    }

    private void Submit(long periodMs, long dueInMs, int attempts, HookSpec[]? hooks, byte[]? cron = null)
    {
        for (int i = 0; i < _plansAtOnce; i++)
        {
            int plan = ++_plan;
            var command = new Command
            {
                Kind = CommandKind.Submit,
                Partition = plan % 4,
                Key = new TaskKey(PlanDraft.Plan(plan), 0, 0),
                AtMs = _nowMs,
                Hooks = hooks,
                Cron = cron,
                ReplyTo = _answers,
                Spec = new PlanSpec
                {
                    Id = PlanDraft.Plan(plan),
                    CreatedMs = _nowMs,
                    FirstDueMs = _nowMs + dueInMs,
                    PeriodMs = periodMs,
                    EndMs = PlanSpec.NoEnd,
                    Kind = cron is not null ? ScheduleKind.Cron
                        : periodMs == 0 ? ScheduleKind.Once : ScheduleKind.Every,
                    AttemptsMax = attempts,
                    RetryDelayMs = 4,
                    RetryDelayMsMax = 4,
                    Lane = (uint)plan % 3,
                    HookCount = hooks?.Length ?? 0,
                },
            };
            PlanDraft.SetPayload(ref command, "the body of a plan, opaque to the engine"u8);
            _inbox.TryPost(command);
        }
    }

    private void Update(int plan)
    {
        var command = new Command
        {
            Kind = CommandKind.Update,
            Update = PlanUpdate.Hooks,
            Partition = plan % 4,
            Key = new TaskKey(PlanDraft.Plan(plan), 0, 0),
            AtMs = _nowMs,
            Hooks = _hooks,
            ReplyTo = _answers,
        };
        PlanDraft.SetPayload(ref command, LargeBody);
        _inbox.TryPost(command);
    }

    private void Advance(int ms)
    {
        for (long untilMs = _nowMs + ms; _nowMs < untilMs; _nowMs++)
        {
            Turn();
            Turn();
        }
    }

    private void Turn()
    {
        var effects = _shard.Turn(_nowMs);
        foreach (ref readonly var reply in effects.Replies.Span)
            reply.Target.Complete(reply);
        foreach (ref readonly var dispatch in effects.Dispatches.Span)
            End(dispatch);
        if (effects.Chunk is { } chunk)
        {
            chunk.Seal();
            _inbox.PostDurable(chunk.Position, chunk);
        }

        if (effects.Projection is not null)
            _inbox.PostProjected();
    }

    private void End(in Dispatch attempt)
    {
        _started++;
        ArrayPool<byte>.Shared.Return(attempt.Body);
        bool fails = _fails && !attempt.Key.IsHook;
        var command = new Command
        {
            Kind = fails ? CommandKind.AttemptFailed : CommandKind.AttemptSucceeded,
            Retryable = true,
            Partition = attempt.Partition,
            Attempt = attempt.Attempt,
            Epoch = attempt.Epoch,
            Lane = attempt.Lane,
            Key = attempt.Key,
            AtMs = _nowMs,
            ReplyTo = _answers,
        };
        if (fails)
            PlanDraft.SetPayload(ref command, "The target answered 503 Service Unavailable."u8);
        else if (_result is not null)
            PlanDraft.SetPayload(ref command, _result);
        _inbox.PostOutcome(command);
    }

    private sealed class Counter : IReplyTarget
    {
        public int Count { get; private set; }

        public void Complete(in Reply reply) => Count++;
    }
}
