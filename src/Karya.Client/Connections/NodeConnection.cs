using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.IO.Pipelines;
using Karya.Client.Errors;
using Karya.Protocol;
using Karya.Protocol.Messages;

namespace Karya.Client.Connections;

/// <summary>
/// One greeted TCP connection to a node. Any thread may ask; requests are written behind one another into a buffer
/// which the writer loop sends as a whole, so that whatever queues up while it sends goes out with the next write. The
/// reader loop cuts the answers off and completes those who wait; their code never runs on it.
/// </summary>
/// <remarks>
/// <code>
///  open ──► retired (the node goes away: what is on it ends, nothing new) ──► ended, for the first reason given
///    └────────────────────────────────────────────────────────────────────────►
/// </code>
/// </remarks>
[SuppressMessage("Reliability", "CA1001:Types that own disposable fields should be disposable", Justification =
    "The source has no timer and the semaphore no wait handle: there is nothing to give back.")]
internal sealed class NodeConnection
{
    /// <summary>Pings per idle time: one may be lost, or late.</summary>
    private const int PingsPerIdleTime = 3;

    private readonly Stream _stream;
    private readonly PipeReader _reader;
    private readonly TimeProvider _time;
    private readonly ClusterLink _owner;

    private readonly Lock _lock = new();
    private readonly Dictionary<uint, PendingRequest> _pending = [];
    private readonly Signal _wake = new();
    private readonly SemaphoreSlim _slots;
    private readonly CancellationTokenSource _ending = new();
    private readonly TaskCompletionSource _retired = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private FrameWriter _filling = new();
    private FrameWriter _sending = new();
    private uint _correlation;
    private long _sequence;
    private long _sentThrough;
    private long _holds;
    private long _lastFrameAt;
    private long _waiting;
    private bool _isRetired;
    private Exception? _endReason;
    private readonly CancellationToken _ended;

    public NodeConnection(
        Stream stream, PipeReader reader, Welcome welcome, string endpoint, TimeProvider time, ClusterLink owner)
    {
        _stream = stream;
        _reader = reader;
        _time = time;
        _owner = owner;
        _ended = _ending.Token;
        Welcome = welcome;
        Node = $"{welcome.Node} ({endpoint})";
        Endpoint = endpoint;
        SlotCount = Math.Max(1, welcome.Limits.InFlightMax - 1); // One is for pings.
        _slots = new SemaphoreSlim(SlotCount);
        _lastFrameAt = time.GetTimestamp();
        StoreAhead = DateTimeOffset.FromUnixTimeMilliseconds(welcome.StoreTimeMs) - time.GetUtcNow();
    }

    public Welcome Welcome { get; }

    /// <summary>For people: name and address.</summary>
    public string Node { get; }

    public string Endpoint { get; }

    /// <summary>How far the store's clock was ahead of ours when the node greeted.</summary>
    public TimeSpan StoreAhead { get; }

    public int SlotCount { get; }

    public int SlotsTaken => SlotCount - _slots.CurrentCount;

    public long Waiting => Interlocked.Read(ref _waiting);

    public TimeSpan SinceLastFrame => _time.GetElapsedTime(Interlocked.Read(ref _lastFrameAt));

    public bool HasEnded => Volatile.Read(ref _endReason) is not null;

    /// <summary>Completes when nothing new may be asked: the node goes away, or the connection has ended.</summary>
    public Task Retired => _retired.Task;

    /// <summary>
    /// Runs the loops. The task ends when the connection has ended and all that it owns is given back.
    /// </summary>
    public async Task RunAsync()
    {
        await Task.WhenAll(Task.Run(ReadAsync), Task.Run(WriteAsync), Task.Run(KeepAliveAsync)).ConfigureAwait(false);
        await _reader.CompleteAsync().ConfigureAwait(false);
        await _stream.DisposeAsync().ConfigureAwait(false);
    }

    /// <summary>Takes one of the places that the node grants, if one is free.</summary>
    public bool TryTakeSlot() => _slots.Wait(0, CancellationToken.None);

    /// <summary>Waits for a place; false when the connection has ended meanwhile.</summary>
    public async ValueTask<bool> TakeSlotAsync(CancellationToken giveUp)
    {
        Interlocked.Increment(ref _waiting);
        try
        {
            using var either = CancellationTokenSource.CreateLinkedTokenSource(giveUp, _ended);
            await _slots.WaitAsync(either.Token).ConfigureAwait(false);
            return !HasEnded;
        }
        catch (OperationCanceledException) when (!giveUp.IsCancellationRequested)
        {
            return false;
        }
        finally
        {
            Interlocked.Decrement(ref _waiting);
        }
    }

    /// <summary>
    /// Queues a request. Whoever calls has taken a slot, which the answer gives back, whether or not somebody still
    /// waits for it: until then the node has the request in flight.
    /// </summary>
    /// <exception cref="ConnectionLostException">The connection has ended; nothing was sent.</exception>
    /// <exception cref="KaryaException">The request is longer than the node allows.</exception>
    public PendingRequest<TReply> Begin<TRequest, TReply>(TRequest request, bool hasSlot = true)
        where TRequest : IMessage<TRequest>
        where TReply : IMessage<TReply>
    {
        PendingRequest<TReply> pending;
        lock (_lock)
        {
            if (_endReason is { } reason)
                throw new ConnectionLostException(reason, wasSent: false);

            uint correlation = NextCorrelationLocked();
            EncodeLocked(correlation, request);
            pending = new PendingRequest<TReply>
            {
                Sequence = ++_sequence,
                HasSlot = hasSlot,
                BegunAt = _time.GetTimestamp(),
            };
            _pending.Add(correlation, pending);
        }

        _wake.Set();
        return pending;
    }

    /// <summary>For a slot that was taken in vain.</summary>
    public void ReturnSlot() => _slots.Release();

    /// <summary>Keeps a retired connection open, for deliveries that came through it.</summary>
    public void Hold() => Interlocked.Increment(ref _holds);

    public void LetGo()
    {
        Interlocked.Decrement(ref _holds);
        EndIfRetiredAndIdle();
    }

    /// <summary>Takes nothing new; ends when nothing is on it any more.</summary>
    public void Retire()
    {
        lock (_lock)
            _isRetired = true;
        _owner.OnRetired(this);
        _retired.TrySetResult();
        EndIfRetiredAndIdle();
    }

    /// <summary>Ends the connection. The first reason counts, and is what everybody on it is told.</summary>
    public void End(Exception reason)
    {
        PendingRequest[] unanswered;
        long sentThrough;
        lock (_lock)
        {
            if (_endReason is not null)
                return;
            _endReason = reason;
            unanswered = [.. _pending.Values];
            _pending.Clear();
            sentThrough = _sentThrough;
        }

        _owner.OnEnded(this, reason); // First, so that nobody who is told below finds this connection again.
        _retired.TrySetResult();
        foreach (var pending in unanswered)
            pending.Fail(new ConnectionLostException(reason, wasSent: pending.Sequence <= sentThrough));
        _ = _ending.CancelAsync(); // Not Cancel: what waits for it would go on here, on a loop.
    }

    private uint NextCorrelationLocked()
    {
        do
        {
            _correlation = _correlation == uint.MaxValue ? 1 : _correlation + 1;
        }
        while (_pending.ContainsKey(_correlation));
        return _correlation;
    }

    private void EncodeLocked<TRequest>(uint correlation, TRequest request) where TRequest : IMessage<TRequest>
    {
        int frameLength;
        _filling.Begin(TRequest.Opcode, correlation);
        try
        {
            request.Write(_filling);
            frameLength = _filling.FrameLength;
            if (frameLength <= Welcome.Limits.FrameLengthMax)
            {
                _filling.End();
                return;
            }
        }
        catch
        {
            _filling.Abandon();
            throw;
        }

        _filling.Abandon();
        throw new KaryaException(
            ErrorCode.FrameTooLarge,
            $"The request has {frameLength} bytes; {Node} takes at most {Welcome.Limits.FrameLengthMax}.", node: Node);
    }

    private async Task WriteAsync()
    {
        try
        {
            while (true)
            {
                while (!SwapBuffers())
                    await _wake.WaitAsync(_ended).ConfigureAwait(false);
                await _stream.WriteAsync(_sending.Written, _ended).ConfigureAwait(false);
                _sending.Clear();
            }
        }
        catch (Exception e)
        {
            End(e);
        }
    }

    /// <summary>False: there is nothing to send.</summary>
    private bool SwapBuffers()
    {
        lock (_lock)
        {
            if (_filling.Length == 0)
                return false;
            (_filling, _sending) = (_sending, _filling);
            _sentThrough = _sequence;
            return true;
        }
    }

    private async Task ReadAsync()
    {
        try
        {
            int lengthMax = Math.Max(Welcome.Limits.FrameLengthMax, FrameHeader.LengthMaxDefault);
            while (true)
            {
                var result = await _reader.ReadAsync(_ended).ConfigureAwait(false);
                var buffer = result.Buffer;
                FrameReadStatus status;
                while ((status = FrameReader.TryRead(ref buffer, lengthMax, out var frame)) == FrameReadStatus.Complete)
                    Take(frame);
                if (status != FrameReadStatus.Incomplete)
                    throw Violation($"a frame that is {status}");
                _reader.AdvanceTo(buffer.Start, buffer.End);
                if (result.IsCompleted)
                    throw new EndOfStreamException($"{Node} closed the connection.");
            }
        }
        catch (Exception e)
        {
            End(e);
        }
    }

    private void Take(in Frame frame)
    {
        Interlocked.Exchange(ref _lastFrameAt, _time.GetTimestamp());
        if (frame.Version != Welcome.Version)
            throw Violation($"a frame of version {frame.Version}");

        if (frame.Body.IsSingleSegment)
        {
            Take(frame.Opcode, frame.Correlation, frame.Body.FirstSpan);
            return;
        }

        int length = (int)frame.Body.Length;
        byte[] copy = ArrayPool<byte>.Shared.Rent(length);
        frame.Body.CopyTo(copy);
        Take(frame.Opcode, frame.Correlation, copy.AsSpan(0, length));
        ArrayPool<byte>.Shared.Return(copy);
    }

    private void Take(Opcode opcode, uint correlation, ReadOnlySpan<byte> body)
    {
        if (correlation == 0)
            TakePush(opcode, body);
        else
            TakeReply(opcode, correlation, body);
    }

    private void TakeReply(Opcode opcode, uint correlation, ReadOnlySpan<byte> body)
    {
        PendingRequest? pending;
        lock (_lock)
            _pending.Remove(correlation, out pending);
        if (pending is null)
            throw Violation($"an answer to request {correlation}, which nobody asked");

        if (pending.Complete(opcode, body, Node) is { } fault)
        {
            var violation = Violation($"a reply that cannot be read: {fault.Message}");
            pending.Fail(violation); // Asked again it would be answered alike.
            throw violation;
        }

        if (pending.HasSlot)
            _slots.Release();
        EndIfRetiredAndIdle();
    }

    private void TakePush(Opcode opcode, ReadOnlySpan<byte> body)
    {
        var reader = new WireReader(body);
        switch (opcode)
        {
            case Opcode.Error:
                var error = ErrorMessage.Read(ref reader);
                Check(ref reader);
                throw Refusals.ToException(error, Node);
            case Opcode.MapChanged:
                var map = MapChanged.Read(ref reader).Map;
                Check(ref reader);
                _owner.OnMap(map);
                break;
            case Opcode.GoingAway:
                var goingAway = GoingAway.Read(ref reader);
                Check(ref reader);
                _owner.OnGoingAway(this, goingAway);
                Retire();
                break;
            case Opcode.Delivery:
                var delivery = Delivery.Read(ref reader);
                Check(ref reader);
                _owner.OnDelivery(this, delivery);
                break;
            case Opcode.Revoke:
                var revoke = Revoke.Read(ref reader);
                Check(ref reader);
                _owner.OnRevoke(revoke);
                break;
            default:
                break; // Of a later version: pushes may be added.
        }
    }

    private void Check(ref WireReader reader)
    {
        if (!reader.TryEnd())
            throw Violation($"a push that cannot be read: {reader.Fault!.Message}");
    }

    private KaryaConnectionException Violation(string what) =>
        new(ErrorCode.Malformed, $"{Node} broke the protocol: it sent {what}.", Node);

    private void EndIfRetiredAndIdle()
    {
        lock (_lock)
        {
            if (!_isRetired || _pending.Count > 0 || Interlocked.Read(ref _holds) > 0)
                return;
        }

        End(new KaryaConnectionException(ErrorCode.GoingAway, $"{Node} goes away.", Node));
    }

    /// <summary>
    /// Pings so often that the node never finds us idle. A node that leaves a ping and everything else unanswered for
    /// two more turns is gone, whatever TCP thinks.
    /// </summary>
    private async Task KeepAliveAsync()
    {
        try
        {
            var period = TimeSpan.FromMilliseconds(Math.Max(1, Welcome.Limits.IdleMs / PingsPerIdleTime));
            using var timer = new PeriodicTimer(period, _time);
            PendingRequest<Pong>? ping = null;
            int turnsSilent = 0;
            while (await timer.WaitForNextTickAsync(_ended).ConfigureAwait(false))
            {
                if (ping is null || ping.Reply.IsCompleted)
                {
                    ping = Begin<Ping, Pong>(new Ping(), hasSlot: false);
                    turnsSilent = 0;
                }
                else if (Interlocked.Read(ref _lastFrameAt) > ping.BegunAt)
                {
                    turnsSilent = 0; // Slow with pings, but alive.
                }
                else if (++turnsSilent >= PingsPerIdleTime - 1)
                {
                    throw new KaryaConnectionException(
                        ErrorCode.IdleTimeout, $"{Node} has been silent for {SinceLastFrame.TotalSeconds:F1} s.", Node);
                }
            }
        }
        catch (Exception e)
        {
            End(e);
        }
    }
}
