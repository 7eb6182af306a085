using System.Buffers;
using Karya.Engine;
using Karya.Engine.Journal;
using Karya.Node.Network;
using Karya.Node.Plans;
using Karya.Node.Storage;
using Karya.Protocol;
using Karya.Protocol.Messages;
using Karya.Simulation.Kernel;

namespace Karya.Simulation.Nodes;

/// <summary>
/// Where requests come in, as bytes of the protocol: read by the real codec and the real checks, answered in bytes.
/// </summary>
internal sealed class RequestDesk(Cluster cluster, SimNode node, NodeProcess process, PlanIds ids)
{
    private readonly SubmitDesk _submits = new(
        new DeskOptions(cluster.Settings.PartitionCount, 2000, 60_000), null!, [], process.Ticks, ids,
        process.MayTake);

    /// <summary>Takes one frame; the answer comes later, or never.</summary>
    public void Receive(byte[] bytes, Action<byte[]> answer)
    {
        var buffer = new ReadOnlySequence<byte>(bytes);
        if (FrameReader.TryRead(ref buffer, FrameHeader.LengthMaxDefault, out var frame) != FrameReadStatus.Complete)
            throw new InvalidOperationException("A client of the simulation sent half a frame.");
        var request = new Request(frame.Correlation, answer);
        if (!process.IsServing)
        {
            request.Refuse(PeerErrors.Of(ReplyCode.NotOwner));
            return;
        }

        var reader = new WireReader(frame.Body.FirstSpan);
        switch (frame.Opcode)
        {
            case Opcode.Submit:
                Submit(ref reader, request);
                break;
            case Opcode.Cancel:
                Command(CommandKind.Cancel, CancelRequest.Read(ref reader).Plan, request);
                break;
            case Opcode.Trigger:
                Command(CommandKind.Trigger, TriggerRequest.Read(ref reader).Plan, request);
                break;
            case Opcode.Update:
                Update(UpdateRequest.Read(ref reader), request);
                break;
            case Opcode.Get:
                var plan = new PlanId(GetRequest.Read(ref reader).Plan);
                if (IsHere(plan, request))
                    AnswerPlan(plan, request, isDone: false);
                break;
            case Opcode.Map:
                request.Answer(new MapReply(process.Map()));
                break;
        }
    }

    /// <summary>A chained action starts its plan; the same one, however often it is tried.</summary>
    /// <param name="attempt">Whose.</param>
    /// <param name="draft">The plan.</param>
    /// <param name="done">Hears what went wrong; null when the plan is there.</param>
    public void SubmitChild(SimAttempt attempt, PlanDraft draft, Action<string?> done)
    {
        int partition = attempt.Partition;
        var id = PlanIds.OfChild(attempt.Key, attempt.DueMs, partition, cluster.Settings.PartitionCount);
        var writer = new FrameWriter();
        (draft.Source! with { Id = id.Value }).Write(writer);
        var command = _submits.Prepare(
            SubmitDesk.Read(writer.Written.Span, ActionRules.None, key: null), attempt.Key.Plan);
        command.MayPassOn = false; // Nodes of the simulation forward ends of attempts alone; clients look elsewhere.
        command.ReplyTo = new ChildReply(code =>
        {
            if (code is ReplyCode.Ok or ReplyCode.AlreadyExists)
                cluster.Work.ChildStarted(attempt.Key, id, draft.Source!);
            done(code is ReplyCode.Ok or ReplyCode.AlreadyExists ? null : code.ToString());
        });
        if (process.ShardOf(partition).Shard.Inbox.TryPost(command))
            return;
        SubmitDesk.Drop(command);
        done("The node is overloaded.");
    }

    private void Submit(ref WireReader reader, Request request)
    {
        reader.ReadArray("submit", 3, 3);
        var durability = SubmitRequest.ReadDurability(ref reader);
        var key = reader.TryReadNil() ? default : reader.ReadUtf8("key", ProtocolLimits.KeyBytesMax);
        if (!SubmissionReader.TryRead(ref reader, ActionRules.None, key, out var submission))
        {
            request.Refuse(PeerErrors.Of(reader.Fault!));
            return;
        }

        if (submission.Id == PlanId.None && !process.HasAny)
        {
            ArrayPool<byte>.Shared.Return(submission.Body);
            request.Refuse(PeerErrors.Of(ReplyCode.NotOwner));
            return;
        }

        var command = _submits.Prepare(submission, PlanId.None);
        command.IsAccepted = durability == Durability.Accepted;
        command.MayPassOn = false;
        ulong fingerprint = submission.Fingerprint;
        var id = command.Spec.Id;
        command.ReplyTo = request.On(code =>
        {
            if (code == ReplyCode.Ok)
                request.Answer(new SubmitReply(id.Value, durability, Existed: false));
            else if (code == ReplyCode.AlreadyExists)
                AnswerExisting(id, fingerprint, request);
            else
                request.Refuse(PeerErrors.Of(code));
        });
        Post(command, request);
    }

    private void AnswerExisting(PlanId id, ulong fingerprint, Request request) => Find(id, request, true, stored =>
    {
        if (stored is not null && PlanBodyCodec.Read(stored.Body).Fingerprint == fingerprint)
            request.Answer(new SubmitReply(id.Value, Durability.Durable, Existed: true));
        else
            request.Refuse(PeerErrors.Of(PlanDesk.KeyIsTaken(id)));
    });

    private void Command(CommandKind kind, UInt128 planValue, Request request)
    {
        var plan = new PlanId(planValue);
        var command = NewCommand(kind, plan);
        command.ReplyTo = request.On(code =>
        {
            if (code == ReplyCode.Ok)
                AnswerPlan(plan, request, isDone: true);
            else
                request.Refuse(PeerErrors.Of(code));
        });
        Post(command, request);
    }

    private void Update(UpdateRequest update, Request request)
    {
        var plan = new PlanId(update.Plan);
        if (!IsHere(plan, request))
            return;
        Find(plan, request, false, stored =>
        {
            if (stored is null)
            {
                request.Refuse(PeerErrors.PlanNotFound());
                return;
            }

            var command = NewCommand(CommandKind.Update, plan);
            command.Update = (update.PeriodMs is null ? 0 : PlanUpdate.Period)
                | (update.Retries is null ? 0 : PlanUpdate.Attempts);
            command.Spec.PeriodMs = update.PeriodMs ?? 0;
            command.Spec.AttemptsMax = 1 + (update.Retries ?? 0);
            command.Payload = ArrayPool<byte>.Shared.Rent(Math.Max(1, stored.Body.Length));
            command.PayloadBytes = stored.Body.Length;
            stored.Body.CopyTo(command.Payload, 0);
            command.ReplyTo = request.On(code =>
            {
                if (code == ReplyCode.Ok)
                    AnswerPlan(plan, request, isDone: true);
                else
                    request.Refuse(PeerErrors.Of(code));
            });
            Post(command, request);
        });
    }

    /// <summary>The plan as the tables have it, once they have caught up.</summary>
    /// <param name="plan">Which one.</param>
    /// <param name="request">Whose.</param>
    /// <param name="isDone">
    /// A change is done: nobody may be told that it is not because the plan cannot be read.
    /// </param>
    private void AnswerPlan(PlanId plan, Request request, bool isDone) => Find(plan, request, isDone, stored =>
    {
        if (stored is null)
            request.Refuse(PeerErrors.PlanNotFound());
        else
            request.Answer(Snapshots.Of(PlanViews.Of(stored, PlanMemo.Read(stored.Memo))));
    });

    private void Find(PlanId plan, Request request, bool isDone, Action<StoredPlan?> done)
    {
        int partition = PartitionOf(plan);
        process.ShardOf(partition).WhenTablesCaughtUp(() => cluster.Database.Ask(
            node, NodeProcess.ReadTimeoutUs, data => data.Tables.FindPlan(plan), asked =>
            {
                // Whoever may have lost the partition meanwhile cannot tell what was acknowledged since.
                if (asked.End == AskedEnd.Answered && process.MayTake(partition) && process.IsTrusted)
                    done(asked.Value);
                else
                    request.Refuse(isDone ? PeerErrors.Unknown() : PeerErrors.Of(ReplyCode.NotOwner));
            }));
    }

    private bool IsHere(PlanId plan, Request request)
    {
        bool isHere = process.MayTake(PartitionOf(plan));
        if (!isHere)
            request.Refuse(PeerErrors.Of(ReplyCode.NotOwner));
        return isHere;
    }

    private int PartitionOf(PlanId plan) => PartitionHash.Of(plan.Value, cluster.Settings.PartitionCount);

    private Command NewCommand(CommandKind kind, PlanId plan) => new()
    {
        Kind = kind,
        Partition = PartitionOf(plan),
        Key = new TaskKey(plan, 0, 0),
        AtMs = process.Ticks.NowMs(),
    };

    private void Post(in Command command, Request request)
    {
        if (!process.MayTake(command.Partition))
        {
            SubmitDesk.Drop(command);
            request.Refuse(PeerErrors.Of(ReplyCode.NotOwner));
        }
        else if (!process.ShardOf(command.Partition).Shard.Inbox.TryPost(command))
        {
            SubmitDesk.Drop(command);
            cluster.Counters.Count(Happening.Overloaded);
            request.Refuse(PeerErrors.Overloaded());
        }
    }

    /// <summary>One request, on its way to its answer.</summary>
    private sealed class Request(uint correlation, Action<byte[]> answer) : IReplyTarget
    {
        private Action<ReplyCode>? _done;

        public Request On(Action<ReplyCode> done)
        {
            _done = done;
            return this;
        }

        public void Complete(in Reply reply) => _done!(reply.Code);

        public void Refuse(ErrorMessage error) => Answer(error);

        public void Answer<T>(T message) where T : IMessage<T>
        {
            var writer = new FrameWriter();
            writer.Write(correlation, message);
            answer(writer.Written.ToArray());
        }
    }

    private sealed class ChildReply(Action<ReplyCode> done) : IReplyTarget
    {
        public void Complete(in Reply reply) => done(reply.Code);
    }
}
