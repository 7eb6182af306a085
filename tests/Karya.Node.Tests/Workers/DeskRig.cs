using Karya.Engine;
using Karya.Engine.Shards;
using Karya.Node.Execution;
using Karya.Node.Plans;
using Karya.Node.Workers;
using Karya.Protocol;
using Karya.Protocol.Messages;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Karya.Node.Tests.Workers;

/// <summary>
/// A desk between two real shards and fake workers. One thread does everything, on a clock that the test turns; the
/// store takes all at once.
/// </summary>
internal sealed class DeskRig : IReplyTarget, IDisposable
{
    public const long LeaseMs = 1000;

    private const int PartitionCount = 4;
    private const long StartMs = 1_800_000_000_000;
    private const long StepMs = 20;

    private readonly Shard[] _shards = new Shard[2];
    private readonly List<Dispatch> _kept = [];
    private readonly long _startTimestamp;
    private ulong _plan;

    public DeskRig()
    {
        _startTimestamp = Clock.GetTimestamp();
        for (int i = 0; i < _shards.Length; i++)
        {
            var inbox = new ShardInbox(1000, () => { });
            _shards[i] = new Shard(
                new ShardOptions(i, PartitionCount, 100, 100, 1_000_000_000, 20, 100_000), inbox, StartMs);
            for (int partition = i; partition < PartitionCount; partition += _shards.Length)
                _shards[i].Own(partition, 1, 0);
            _shards[i].Open(StartMs);
            Assert.Equal(1, _shards[i].Turn(StartMs).HorizonRequests.Count);
            inbox.PostPage(new LoadedPage { IsLast = true });
        }

        Desk = new WorkerDesk(
            new WorkerDeskOptions(
                TimeSpan.FromMilliseconds(LeaseMs), (_, _) => Gate, () => NowMs, (in Dispatch _, long _) => Started++,
                (in Dispatch _, in Outcome _, long _) => Ended++),
            _shards, Clock);
        Desk.Start();
    }

    public FakeTimeProvider Clock { get; } = new();

    public WorkerDesk Desk { get; }

    public GateAnswer Gate { get; set; } = GateAnswer.Begin;

    /// <summary>Dispatches are kept instead of handed to the desk: a shard's thread is slow.</summary>
    public bool KeepsDispatches { get; set; }

    /// <summary>Bodies arrive at the desk with another first byte.</summary>
    public bool DamagesBodies { get; set; }

    public int Started { get; private set; }

    public int Ended { get; private set; }

    public List<Reply> Replies { get; } = [];

    public long WaitingForWorker => _shards.Sum(shard => shard.Status.WaitingForWorker);

    private long NowMs => StartMs + (long)Clock.GetElapsedTime(_startTimestamp).TotalMilliseconds;

    public FakeSession NewWorker(int credits, string name = "work")
    {
        var session = new FakeSession();
        Desk.Subscribe(session, name, credits);
        Turn();
        return session;
    }

    /// <summary>A plan that is due at once. Plans take turns with the shards.</summary>
    public PlanId Submit(int attempts = 1, long timeoutMs = 0, string name = "work")
    {
        var id = new PlanId(new UInt128(0x0190_0000_0000_7000, 0x8000_0000_0000_0000 + ++_plan));
        var writer = new FrameWriter();
        new PlanMessage(
            1, new ScheduleMessage.After(0), new PolicyMessage(attempts - 1, 100, 100, MissedRuns.Once),
            new ContentMessage("", new TaskAction(name, [1, 2, 3], timeoutMs), [])).Write(writer);
        var submission = SubmitDesk.Read(writer.Written.Span, ActionRules.None, key: null);
        int partition = (int)_plan % PartitionCount;
        var command = new Command
        {
            Kind = CommandKind.Submit,
            Partition = partition,
            Key = new TaskKey(id, 0, 0),
            AtMs = NowMs,
            Spec = submission.Spec,
            Payload = submission.Body,
            PayloadBytes = submission.BodyBytes,
        };
        command.Spec.Id = id;
        command.Spec.CreatedMs = NowMs;
        command.Spec.FirstDueMs = NowMs;
        Assert.True(_shards[partition % _shards.Length].Inbox.TryPost(command));
        Advance(2 * StepMs); // A task is not handed out in the turn in which its plan becomes durable.
        return id;
    }

    public void Cancel(PlanId id)
    {
        int partition = (int)(ulong)id.Value % PartitionCount;
        Assert.True(_shards[partition % _shards.Length].Inbox.TryPost(new Command
        {
            Kind = CommandKind.Cancel,
            Partition = partition,
            Key = new TaskKey(id, 0, 0),
            AtMs = NowMs,
        }));
        Advance(StepMs);
    }

    public bool Finish(
        ulong id, DeliveryOutcome outcome = DeliveryOutcome.Success, byte[]? result = null, string? error = null,
        long retryAfterMs = 0)
    {
        bool isTaken = Desk.Finish(new DeliveryEnd(id, outcome, result, error, retryAfterMs), this, id);
        Advance(StepMs);
        return isTaken;
    }

    public void Advance(long ms)
    {
        for (long passed = 0; passed < ms; passed += StepMs)
        {
            Clock.Advance(TimeSpan.FromMilliseconds(StepMs));
            Turn();
        }
    }

    public void Turn()
    {
        for (int i = 0; i < 4; i++)
        {
            foreach (var shard in _shards)
                HandOut(shard, shard.Turn(NowMs));
        }
    }

    /// <summary>What was kept reaches the desk.</summary>
    public void Release()
    {
        KeepsDispatches = false;
        foreach (var dispatch in _kept)
            Desk.Post(dispatch);
        _kept.Clear();
        Turn();
    }

    public void Complete(in Reply reply) => Replies.Add(reply);

    public void Dispose()
    {
        Desk.Dispose();
        foreach (var shard in _shards)
            shard.Dispose();
    }

    private void HandOut(Shard shard, EffectList effects)
    {
        foreach (ref readonly var dispatch in effects.Dispatches.Span)
        {
            Assert.True(dispatch.IsPulled);
            if (DamagesBodies)
                dispatch.Body[0] = 0xC1;
            if (KeepsDispatches)
                _kept.Add(dispatch);
            else
                Desk.Post(dispatch);
        }

        foreach (ref readonly var revocation in effects.Revocations.Span)
            Desk.Revoke(revocation);
        foreach (ref readonly var reply in effects.Replies.Span)
            reply.Target.Complete(reply);
        if (effects.Chunk is { } chunk)
        {
            chunk.Seal();
            shard.Inbox.PostDurable(chunk.Position, chunk);
        }

        if (effects.Projection is not null)
            shard.Inbox.PostProjected();
    }
}
