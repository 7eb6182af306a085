using System.Buffers;
using System.Text;
using Karya.Engine;
using Karya.Node;
using Karya.Node.Plans;
using Karya.Simulation.Judging;
using Karya.Simulation.Kernel;

namespace Karya.Simulation.Nodes;

/// <summary>
/// Carries attempts out: looks once more whether they may begin, calls the target, waits for its answer, and tells the
/// shard, or whoever has the partition by then.
/// </summary>
internal sealed class SimExecutor(Cluster cluster, SimNode node, NodeProcess process)
{
    private const long WaitUs = 20_000;
    private const long ForwardAgainUs = 500_000;

    private readonly Prng _chance = cluster.World.Chance.Fork();
    private readonly HashSet<(TaskKey Key, int Attempt, long Epoch)> _notBegun = [];
    private int _running;
    private readonly int[] _ends = new int[cluster.Settings.PartitionCount]; // By partition, how many are forwarded.

    /// <summary>Nothing runs, and whoever had to hear of an end has.</summary>
    public bool IsIdle => _running == 0 && Array.TrueForAll(_ends, ends => ends == 0);

    /// <summary>Ends of attempts wait here for whoever has the partition.</summary>
    public bool HasEndsOf(int partition) => _ends[partition] > 0;

    public void Post(in Dispatch dispatch)
    {
        var attempt = new SimAttempt(
            dispatch.Key, dispatch.Partition, dispatch.Epoch, dispatch.Attempt, dispatch.AttemptsMax, dispatch.DueMs,
            dispatch.AttemptDueMs, dispatch.Lane,
            PlanBodyCodec.ReadAction(dispatch.Body.AsSpan(0, dispatch.BodyBytes), dispatch.Key.Hook));
        ArrayPool<byte>.Shared.Return(dispatch.Body);
        _notBegun.Add((attempt.Key, attempt.Attempt, attempt.Epoch));
        _running++;

        // A thread of the pool takes it up, sometimes not soon.
        long delayUs = _chance.Exponential(80);
        if (!cluster.IsHealed && _chance.Chance(cluster.Profile.SlowStarts))
            delayUs += _chance.Between(1000, cluster.Profile.SlowStartUsMax);
        node.After(delayUs, () => Begin(attempt));
    }

    /// <summary>An end whose partition is not here goes to whoever has it, again and again until it is taken.</summary>
    public void Forward(in Command command)
    {
        var copy = command;
        if (command.Payload is { } payload)
        {
            copy.Payload = payload.AsSpan(0, command.PayloadBytes).ToArray(); // Not rented: it is sent many times.
            ArrayPool<byte>.Shared.Return(payload);
        }

        if (command.ReplyTo is Taken { IsHere: true })
            return; // The shard gives back what it got from here, where it is tried again.
        cluster.Counters.Count(
            command.Kind == CommandKind.AttemptReleased ? Happening.ReleaseForwarded : Happening.EndForwarded);
        _ends[command.Partition]++;
        Forward(copy, cluster.World.NowUs + cluster.Settings.Times.AwayMs * 1000);
    }

    /// <summary>Takes an end that another node forwards, or that came back.</summary>
    /// <param name="command">The end.</param>
    /// <param name="isFromHere">It came back.</param>
    /// <param name="taken">Told when it is durable, or known to be over.</param>
    /// <returns>False: the partition is not here either.</returns>
    private bool TryTake(in Command command, bool isFromHere, Action taken)
    {
        if (!process.IsServing || !process.ShardOf(command.Partition).Shard.Owns(command.Partition))
            return false;
        cluster.World.Note($"node {node.Number} takes {command.Kind} of {command.Key}, forwarded");
        var copy = command;
        copy.ReplyTo = new Taken(isFromHere, taken);
        if (command.Payload is { } payload)
        {
            copy.Payload = ArrayPool<byte>.Shared.Rent(Math.Max(1, payload.Length));
            payload.CopyTo(copy.Payload, 0);
        }

        process.ShardOf(command.Partition).Shard.Inbox.PostOutcome(copy);
        return true;
    }

    /// <summary>Its plan was cancelled: it does not begin, if it has not begun.</summary>
    public void Revoke(in Revocation revocation)
    {
        if (_notBegun.Remove((revocation.Key, revocation.Attempt, revocation.Epoch)))
            cluster.Counters.Count(Happening.CancelRacedFiring);
    }

    private void Begin(SimAttempt attempt)
    {
        switch (process.Gate.Ask(attempt.Partition, attempt.Epoch, node.Clock.MonotonicMs))
        {
            case GateAnswer.Wait:
                cluster.Counters.Count(Happening.GateWaited);
                node.After(WaitUs, () => Begin(attempt));
                break;
            case GateAnswer.Begin when !_notBegun.Contains((attempt.Key, attempt.Attempt, attempt.Epoch)):
                PostOutcome(NewOutcome(attempt, CommandKind.AttemptReleased)); // It was revoked.
                break;
            case GateAnswer.Drop:
                _notBegun.Remove((attempt.Key, attempt.Attempt, attempt.Epoch));
                cluster.Counters.Count(Happening.GateDropped);
                PostOutcome(NewOutcome(attempt, CommandKind.AttemptReleased));
                break;
            default:
                _notBegun.Remove((attempt.Key, attempt.Attempt, attempt.Epoch));
                Call(attempt);
                break;
        }
    }

    private void Call(SimAttempt attempt)
    {
        cluster.World.Note(
            $"node {node.Number} starts {attempt.Key} attempt {attempt.Attempt} epoch {attempt.Epoch}");
        cluster.Ledger.Starts.Add(new Start(
            attempt.Key, attempt.Attempt, attempt.Epoch, attempt.Partition, node.Number, node.Life, attempt.DueMs,
            cluster.World.NowUs, cluster.Database.Clock.NowMs));
        if (attempt.Action is ChainedAction chained)
        {
            process.Submits.SubmitChild(attempt, chained.Plan, error => End(attempt, error is null, true, error));
            return;
        }

        bool isOver = false;
        cluster.Targets.Call(node, attempt, (isSuccess, isRetryable) =>
        {
            if (isOver)
                return;
            isOver = true;
            End(attempt, isSuccess, isRetryable, isSuccess ? null : "The target said no.");
        });
        node.After(cluster.Settings.AttemptTimeoutMs * 1000, () =>
        {
            if (isOver)
                return;
            isOver = true;
            End(attempt, false, true, "The target did not answer in time.");
        });
    }

    private void End(SimAttempt attempt, bool isSuccess, bool isRetryable, string? error)
    {
        var outcome = NewOutcome(
            attempt, isSuccess ? CommandKind.AttemptSucceeded : CommandKind.AttemptFailed);
        outcome.Retryable = isRetryable;
        if (error is not null)
        {
            byte[] text = Encoding.UTF8.GetBytes(error);
            outcome.Payload = ArrayPool<byte>.Shared.Rent(text.Length);
            outcome.PayloadBytes = text.Length;
            text.CopyTo(outcome.Payload, 0);
        }

        PostOutcome(outcome);
    }

    private Command NewOutcome(SimAttempt attempt, CommandKind kind) => new()
    {
        Kind = kind,
        Partition = attempt.Partition,
        Key = attempt.Key,
        Attempt = attempt.Attempt,
        Epoch = attempt.Epoch,
        AtMs = process.Ticks.NowMs(),
        Lane = attempt.Lane,
    };

    /// <summary>The shard that handed it out has a place to give back, whoever has the partition.</summary>
    private void PostOutcome(in Command outcome)
    {
        _running--;
        cluster.World.Note($"node {node.Number} has {outcome.Kind} of {outcome.Key} attempt {outcome.Attempt}");
        process.ShardOf(outcome.Partition).Shard.Inbox.PostOutcome(outcome);
    }

    private void Forward(Command command, long untilUs, bool hasWaited = false)
    {
        if (cluster.World.NowUs > untilUs)
        {
            _ends[command.Partition]--;
            return;
        }

        int owner = process.OwnerOf(command.Partition);
        bool isTaken = false;
        bool isBack = hasWaited && TryTake(command, isFromHere: true, () => isTaken = true);
        if (!isBack && owner >= 0 && owner != node.Number)
        {
            var other = cluster.Nodes[owner];
            cluster.Network.Send(node.Place, other.Place, () => other.After(0, () =>
            {
                other.Process?.Executor.TryTake(
                    command, isFromHere: false,
                    () => cluster.Network.Send(other.Place, node.Place, () => isTaken = true));
            }), mayRepeat: true);
        }

        node.After(ForwardAgainUs, () =>
        {
            if (isTaken)
                _ends[command.Partition]--;
            else
                Forward(command, untilUs, hasWaited: true);
        });
    }

    private sealed class Taken(bool isHere, Action taken) : IReplyTarget
    {
        public bool IsHere => isHere;

        public void Complete(in Reply reply)
        {
            if (Forwarder.IsTaken(reply.Code))
                taken();
        }
    }
}

/// <summary>An attempt, as those who carry it out know it.</summary>
internal sealed record SimAttempt(
    TaskKey Key, int Partition, long Epoch, int Attempt, int AttemptsMax, long DueMs, long AttemptDueMs, uint Lane,
    PlanAction Action);
