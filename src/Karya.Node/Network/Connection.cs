using System.Buffers;
using Karya.Engine;
using Karya.Node.Plans;
using Karya.Node.Workers;
using Karya.Protocol;
using Karya.Protocol.Messages;
using Microsoft.AspNetCore.Connections;

namespace Karya.Node.Network;

/// <summary>
/// One peer: a loop that reads and a loop that writes. The reader cuts frames and serves what can be served without
/// waiting; the rest goes to the <see cref="RequestRouter"/>. Replies go out in the order in which they are known.
/// </summary>
/// <remarks>
/// <code>
/// reader: frame ─► handshake │ submit ─► batch per shard, handed in when no frame is left │ request ─► router
/// shards, router, workers' desk ─► outbox ─► writer: what has gathered, one flush
/// </code>
/// A frame that cannot be cut, a peer that does not greet, is silent or does not read, ends the connection, after one
/// error with correlation 0. All else is answered, and the connection stays. The first reason counts.
/// </remarks>
internal sealed class Connection : IReplyTarget, IWorkerSession, IDisposable
{
    private readonly ConnectionContext _transport;
    private readonly NetworkOptions _options;
    private readonly NodeParts _node;
    private readonly RequestRouter _router;
    private readonly TimeProvider _clock;
    private readonly Outbox _outbox = new();
    private readonly FrameSender _writer;
    private readonly RequestTable _requests;
    private readonly SubmitIntake _submits;
    private readonly WorkerRequests _tasks;
    private readonly List<ulong> _overdue = [];
    private readonly CancellationTokenSource _closed = new();
    private readonly Lock _closing = new();
    private string _client = "a client that has not greeted";
    private bool _isGreeted;
    private bool _isLeaving;
    private ErrorMessage? _reason;

    // Milliseconds of the monotonic clock; 0 when it is not the case. Written by a loop, read by the listener's timer.
    private long _heardMs;
    private long _frameSinceMs;
    private long _closedSinceMs;

    public Connection(
        ConnectionContext transport, NetworkOptions options, NodeParts node, Func<int> connectionCount,
        TimeProvider clock)
    {
        _transport = transport;
        _options = options;
        _node = node;
        _clock = clock;
        _router = new RequestRouter(node, connectionCount);
        _writer = new FrameSender(_outbox, transport.Transport.Output, NowMs);
        _requests = new RequestTable(options.InFlightMax);
        _submits = new SubmitIntake(this, _requests, node.Desk.Submits);
        _tasks = new WorkerRequests(this, node.Workers, node.Relay);
        _heardMs = NowMs();
    }

    /// <summary>The name of the node of the cluster that it is of; null for a client.</summary>
    public string? Node { get; private set; }

    public bool IsNode => Node is not null;

    private string Peer => _transport.RemoteEndPoint?.ToString() ?? "unknown";

    /// <summary>Ends when the connection has.</summary>
    public async Task RunAsync()
    {
        var writing = _writer.RunAsync();
        try
        {
            await ReadAsync();
        }
        catch (Exception e) when (e is IOException or ConnectionAbortedException or OperationCanceledException)
        {
            // The peer is gone.
        }

        _tasks.Leave();
        await _closed.CancelAsync();
        _outbox.Close(null);
        await writing;
        await DiscardAsync();
        if (_reason is { } reason)
            NetworkLog.Closed(_node.Log, $"{Peer} ({_client})", reason.Name, reason.Message);
    }

    /// <summary>After <see cref="RunAsync"/>.</summary>
    public void Dispose()
    {
        _outbox.Dispose();
        _closed.Dispose();
    }

    /// <summary>Tells the peer why, sends what is written, and ends.</summary>
    public void Close(ErrorMessage reason)
    {
        lock (_closing)
        {
            if (_reason is not null)
                return;
            _reason = reason;
        }

        Volatile.Write(ref _closedSinceMs, NowMs());
        _outbox.Close(reason);
        _transport.Transport.Input.CancelPendingRead();
    }

    /// <summary>The node stops: no new requests, but those that are open are answered.</summary>
    public void SayGoodbye(GoingAway message)
    {
        Volatile.Write(ref _isLeaving, true);
        _outbox.Write(0, message);
    }

    /// <summary>Tells a client that is known already; others hear of it when they are greeted.</summary>
    public void Push(PartitionMap map)
    {
        if (Volatile.Read(ref _isGreeted))
            _outbox.Write(0, new MapChanged(map));
    }

    /// <summary>Ends the connection when a time limit has passed. Called a few times a second.</summary>
    public void CheckTime(long nowMs)
    {
        if (Volatile.Read(ref _closedSinceMs) is > 0 and var closedMs)
        {
            if (nowMs - closedMs > NetworkOptions.FarewellMax.TotalMilliseconds)
                _transport.Abort(new ConnectionAbortedException(_reason!.Message));
            return;
        }

        if (_writer.FlushSinceMs is > 0 and var flushMs
            && nowMs - flushMs > NetworkOptions.UnreadMax.TotalMilliseconds)
        {
            CloseSlow($"Nothing was read for {NetworkOptions.UnreadMax.TotalSeconds:F0} s.");
        }
        else if (_outbox.IsOverfull)
        {
            CloseSlow($"More than {NetworkOptions.UnreadBytesMax} bytes wait to be read.");
        }
        else if (!Volatile.Read(ref _isGreeted))
        {
            if (nowMs - Volatile.Read(ref _heardMs) > NetworkOptions.HelloMax.TotalMilliseconds)
                Close(PeerErrors.Of(ErrorCode.HelloTimeout, "No hello came within 5 s."));
        }
        else if (Volatile.Read(ref _frameSinceMs) is > 0 and var frameMs
            && nowMs - frameMs > NetworkOptions.FrameMax.TotalMilliseconds)
        {
            Close(PeerErrors.Of(ErrorCode.FrameTimeout, "A frame did not end within 10 s of its beginning."));
        }
        else if (nowMs - Volatile.Read(ref _heardMs) > _options.Idle.TotalMilliseconds)
        {
            Close(PeerErrors.Of(
                ErrorCode.IdleTimeout,
                $"Nothing was heard for {_options.Idle.TotalSeconds:F0} s. Send a ping when there is nothing else."));
        }

        RefuseOverdue(nowMs);
    }

    public void Complete(in Reply reply)
    {
        if (reply.Code == ReplyCode.AlreadyExists)
        {
            if (_requests.TryFind(reply.Tag, out var open))
                _ = AnswerExistingAsync(reply.Tag, reply.Plan, open);
            return;
        }

        if (!_requests.TryClose(reply.Tag, out var request))
            return;
        if (reply.Code == ReplyCode.Ok)
            _outbox.WriteSubmitted(request.Correlation, reply.Plan, request.Durability, existed: false);
        else
            _outbox.Write(request.Correlation, PeerErrors.Of(reply.Code));
    }

    /// <summary>The replies of a shard's turn leave together: one flush, not one for each.</summary>
    public void EndOfTurn() => Send();

    public void Answer<T>(ulong tag, T message) where T : IMessage<T>
    {
        if (_requests.TryClose(tag, out var request))
            _outbox.Write(request.Correlation, message);
    }

    public void Refuse(ulong tag, ErrorMessage error) => Answer(tag, error);

    /// <summary>A shard does not take a request: it has too many, or the node stops.</summary>
    public ErrorMessage NotTaken() => Volatile.Read(ref _isLeaving)
        ? PeerErrors.Of(ErrorCode.GoingAway, "The node is stopping. Ask another one, or this one later.")
        : PeerErrors.Overloaded();

    /// <summary>Logs a failure that is nobody's but the node's, and says what the peer is told of it.</summary>
    public ErrorMessage Fault(Exception e, string what)
    {
        NetworkLog.Failed(_node.Log, Peer, what, e);
        return PeerErrors.Of(
            ErrorCode.Internal, "The request failed for a reason that is the node's fault; its log has it.");
    }

    public bool Deliver(
        ulong id, in Dispatch dispatch, ReadOnlySpan<byte> name, ReadOnlySpan<byte> arguments, long timeoutMs) =>
        _outbox.WriteDelivery(id, dispatch, name, arguments, timeoutMs);

    public bool Deliver(Delivery delivery) => _outbox.TryWrite(delivery);

    public void Send() => _outbox.Send();

    public void Revoke(ulong id, RevokeReason reason) => _outbox.Write(0, new Revoke(id, reason));

    /// <summary>Whether a plan that is there came of the same request; else why the new one is refused.</summary>
    public async Task<ErrorMessage?> CompareAsync(PlanId plan, ulong fingerprint)
    {
        try
        {
            return await _node.Desk.Submits.IsSameAsync(plan, fingerprint, _node.Desk, CancellationToken.None)
                ? null
                : PeerErrors.Of(PlanDesk.KeyIsTaken(plan));
        }
        catch (DeskException e)
        {
            return PeerErrors.Of(e);
        }
        catch (Exception e)
        {
            return Fault(e, nameof(Opcode.Submit)); // Nobody awaits this, and the client waits for the answer.
        }
    }

    private long NowMs() => (long)_clock.GetElapsedTime(0).TotalMilliseconds;

    private void CloseSlow(string message)
    {
        Close(PeerErrors.Of(ErrorCode.SlowReader, message));
        _transport.Abort(new ConnectionAbortedException(message)); // It would not read why, either.
    }

    private void RefuseOverdue(long nowMs)
    {
        _overdue.Clear();
        _requests.CopyOverdue(nowMs - (long)NetworkOptions.ReplyMax.TotalMilliseconds, _overdue);
        foreach (ulong tag in _overdue)
            Refuse(tag, PeerErrors.Unknown());
    }

    private async Task AnswerExistingAsync(ulong tag, PlanId plan, OpenRequest open)
    {
        var error = await CompareAsync(plan, open.Fingerprint);
        if (!_requests.TryClose(tag, out var request))
            return;
        if (error is not null)
        {
            _outbox.Write(request.Correlation, error);
            return;
        }

        _outbox.WriteSubmitted(request.Correlation, plan, request.Durability, existed: true);
        _outbox.Send();
    }

    private async Task ReadAsync()
    {
        var input = _transport.Transport.Input;
        while (_reason is null)
        {
            // The transport reads some kilobytes at a time; submits of all that has come go to the shards together.
            if (!input.TryRead(out var result))
            {
                HandIn();
                result = await input.ReadAsync();
            }

            var buffer = result.Buffer;
            try
            {
                TakeFrames(ref buffer);
            }
            catch (Exception e)
            {
                Close(Fault(e, "frame")); // What else came with it is void; the node and its other peers go on.
            }

            bool isCut = !buffer.IsEmpty;
            Volatile.Write(ref _frameSinceMs, isCut ? Math.Max(1, _frameSinceMs > 0 ? _frameSinceMs : NowMs()) : 0);
            input.AdvanceTo(buffer.Start, buffer.End);
            if (result.IsCompleted)
                break;
        }

        HandIn();
    }

    private void HandIn()
    {
        try
        {
            _submits.HandIn();
        }
        catch (Exception e)
        {
            Close(Fault(e, "frame"));
        }
    }

    /// <summary>Serves all frames that are complete. A frame that is not keeps its time since it began.</summary>
    private void TakeFrames(ref ReadOnlySequence<byte> buffer)
    {
        long nowMs = NowMs();
        while (_reason is null)
        {
            int lengthMax = _isGreeted ? _options.FrameLengthMax : FrameHeader.GreetingLengthMax;
            var status = FrameReader.TryRead(ref buffer, lengthMax, out var frame);
            if (status == FrameReadStatus.Incomplete)
                return;
            if (status != FrameReadStatus.Complete)
            {
                Close(PeerErrors.Of(status, lengthMax));
                return;
            }

            Volatile.Write(ref _heardMs, nowMs);
            _frameSinceMs = 0;
            Serve(frame);
            if (_submits.HasMany)
                HandIn();
        }
    }

    private void Serve(in Frame frame)
    {
        if (!_isGreeted)
        {
            Greet(frame);
            return;
        }

        if (frame.Version != ProtocolVersion.Max)
        {
            Close(PeerErrors.Of(
                ErrorCode.ProtocolVersion,
                $"A frame has version {frame.Version}; this connection speaks {ProtocolVersion.Max}."));
            return;
        }

        if (frame.Correlation == 0)
        {
            Close(PeerErrors.Of(
                ErrorCode.Malformed, "correlation is 0, which stands for no request.", "correlation"));
            return;
        }

        if (frame.Opcode == Opcode.Hello)
        {
            Close(PeerErrors.Of(ErrorCode.HelloRequired, "The hello came twice; only the first frame may be one."));
            return;
        }

        var request = new OpenRequest(frame.Correlation, default, 0, _heardMs, false);
        var refusal = _requests.Open(request, out ulong tag);
        if (refusal == ErrorCode.None)
            ServeOpen(frame, tag);
        else
            _outbox.Write(frame.Correlation, ErrorOf(refusal, frame.Correlation));
    }

    private ErrorMessage ErrorOf(ErrorCode code, uint correlation) => code == ErrorCode.CorrelationInUse
        ? PeerErrors.Of(code, $"A request with correlation {correlation} has no reply yet.", "correlation")
        : PeerErrors.Of(code, $"{_options.InFlightMax} requests of this connection have no reply yet; wait for one.");

    /// <summary>
    /// Bodies are read as one span. Nearly all lie in one piece; of the others the long ones are copied to memory that
    /// is given back, lest every connection keep room for the longest frame that it ever had.
    /// </summary>
    private void ServeOpen(in Frame frame, ulong tag)
    {
        if (frame.Body.IsSingleSegment)
        {
            Serve(frame.Opcode, frame.Body.FirstSpan, tag);
            return;
        }

        int length = (int)frame.Body.Length;
        byte[] copy = ArrayPool<byte>.Shared.Rent(length);
        try
        {
            frame.Body.CopyTo(copy);
            Serve(frame.Opcode, copy.AsSpan(0, length), tag);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(copy);
        }
    }

    private void Serve(Opcode opcode, ReadOnlySpan<byte> body, ulong tag)
    {
        var reader = new WireReader(body);
        switch (opcode)
        {
            case Opcode.Submit:
                _submits.Take(ref reader, tag);
                break;
            case Opcode.SubmitMany:
                _submits.TakeMany(ref reader, tag);
                break;
            case Opcode.Ping when TryRead<Ping>(ref reader, tag, out _):
                Answer(tag, new Pong(_node.NowMs()));
                break;
            case Opcode.Subscribe when TryRead<SubscribeRequest>(ref reader, tag, out var subscribe):
                _tasks.Subscribe(subscribe, tag);
                break;
            case Opcode.Finish when TryRead<FinishRequest>(ref reader, tag, out var finish):
                _requests.Describe(tag, Durability.Durable, 0);
                _tasks.Finish(finish, tag);
                break;
            case Opcode.Extend when TryRead<ExtendRequest>(ref reader, tag, out var extend):
                _tasks.Extend(extend, tag);
                break;
            case Opcode.Progress when TryRead<ProgressRequest>(ref reader, tag, out var progress):
                _tasks.SetProgress(progress, tag);
                break;
            case Opcode.Forward when IsNode && TryRead<ForwardRequest>(ref reader, tag, out var forward):
                _node.Peers!.Take(this, tag, forward);
                break;
            case Opcode.CatchUp when IsNode && TryRead<CatchUpRequest>(ref reader, tag, out var catchUp):
                _ = _node.Peers!.CatchUpAsync(this, tag, catchUp);
                break;
            default:
                Route(opcode, ref reader, tag);
                break;
        }
    }

    private bool TryRead<T>(ref WireReader reader, ulong tag, out T message) where T : IMessage<T>
    {
        message = T.Read(ref reader);
        if (reader.TryEnd())
            return true;
        Refuse(tag, PeerErrors.Of(reader.Fault!));
        return false;
    }

    private void Route(Opcode opcode, ref WireReader reader, ulong tag)
    {
        if (reader.HasFailed)
            return; // Refused already.
        if (_router.Find(opcode, ref reader) is not { } serve)
        {
            string unknown = $"{(int)opcode} is no request that this node knows.";
            Refuse(tag, reader.HasFailed
                ? PeerErrors.Of(reader.Fault!)
                : PeerErrors.Of(ErrorCode.UnknownOpcode, unknown, "opcode"));
            return;
        }

        _ = Task.Run(() => ServeAsync(opcode, serve, tag), CancellationToken.None);
    }

    private async Task ServeAsync(Opcode opcode, RequestRouter.Serve serve, ulong tag)
    {
        try
        {
            await serve(this, tag, _closed.Token);
        }
        catch (DeskException e)
        {
            Refuse(tag, PeerErrors.Of(e));
        }
        catch (Exception e) when (e is OperationCanceledException or ObjectDisposedException)
        {
            Refuse(tag, PeerErrors.Of(ErrorCode.GoingAway, "The connection is being closed."));
        }
        catch (Exception e)
        {
            Refuse(tag, Fault(e, opcode.ToString()));
        }
    }

    private void Greet(in Frame frame)
    {
        if (frame.Opcode != Opcode.Hello)
        {
            Close(PeerErrors.Of(ErrorCode.HelloRequired, "The first frame must be a hello."));
            return;
        }

        var reader = new WireReader(frame.Body.ToArray()); // Once, and 1 KiB at most.
        var hello = Hello.Read(ref reader);
        if (!reader.TryEnd())
        {
            Close(PeerErrors.Of(reader.Fault!));
            return;
        }

        if (hello.VersionMin > ProtocolVersion.Max || hello.VersionMax < ProtocolVersion.Min)
        {
            Close(PeerErrors.Of(
                ErrorCode.ProtocolVersion,
                $"The client speaks versions {hello.VersionMin} to {hello.VersionMax}; this node speaks "
                + $"{ProtocolVersion.Min} to {ProtocolVersion.Max}."));
            return;
        }

        Node = hello.Token is { } token && _node.Peers is { } peers && peers.Knows(token) ? hello.Client : null;
        _client = (IsNode ? "node " : "") + Quoted.Shorten(hello.Client);
        var limits = new ConnectionLimits(
            _options.FrameLengthMax, _options.InFlightMax, (long)_options.Idle.TotalMilliseconds,
            (long)_node.Workers.Lease.TotalMilliseconds);
        var map = _node.Map();
        _outbox.Write(
            frame.Correlation,
            new Welcome(ProtocolVersion.Max, _node.Name, _node.Version, _node.NowMs(), limits, map));
        Volatile.Write(ref _isGreeted, true); // Not before: the welcome comes first.
        if (_node.Map() is var changed && changed.Version != map.Version)
            Push(changed); // That it changed was told to others in between.
        NetworkLog.Greeted(_node.Log, Peer, _client);
    }

    /// <summary>
    /// A connection that is closed with bytes unread is reset, and the peer might lose what it was told: so they are
    /// read, until the peer ends it or the listener's timer does.
    /// </summary>
    private async Task DiscardAsync()
    {
        if (_reason is null)
            return;
        var input = _transport.Transport.Input;
        try
        {
            while (true)
            {
                var result = await input.ReadAsync();
                input.AdvanceTo(result.Buffer.End);
                if (result.IsCompleted)
                    return;
            }
        }
        catch (Exception e) when (e is IOException or ConnectionAbortedException or OperationCanceledException)
        {
            // That was it.
        }
    }
}
