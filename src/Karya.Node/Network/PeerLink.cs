using System.Buffers;
using System.Collections.Concurrent;
using System.IO.Pipelines;
using System.Net.Sockets;
using Karya.Protocol;
using Karya.Protocol.Messages;

namespace Karya.Node.Network;

/// <summary>What became of a question to another node.</summary>
internal enum PeerEnd
{
    /// <summary>Nothing was sent: the node cannot be reached.</summary>
    NotSent,

    /// <summary>It was sent, and no answer came.</summary>
    Lost,

    /// <summary>There is an answer, which may be a refusal.</summary>
    Answered,
}

/// <summary>The end of a question to another node.</summary>
/// <param name="Opcode">Of the answer; <see cref="Opcode.Error"/> for a refusal.</param>
/// <param name="Body">Of the answer.</param>
internal readonly record struct PeerAnswer(PeerEnd End, Opcode Opcode = Opcode.None, byte[]? Body = null)
{
    /// <summary>Why it was refused; null when it was not.</summary>
    public ErrorMessage? Refusal => Opcode == Opcode.Error ? Read<ErrorMessage>() : null;

    public T Read<T>() where T : IMessage<T>
    {
        var reader = new WireReader(Body);
        return T.Read(ref reader);
    }
}

/// <summary>Takes what another node says unasked, on the thread that reads; must not block.</summary>
/// <param name="EndOfRead">All that had come was told.</param>
internal sealed record PeerPushes(Action<Delivery> Deliver, Action<Revoke> Revoke, Action EndOfRead);

/// <summary>A connection to another node, on which many questions may be open at once.</summary>
/// <remarks>Thread-safe. Over for good when it breaks; who has asked is told.</remarks>
internal sealed class PeerLink : IAsyncDisposable
{
    private readonly NetworkStream _stream;
    private readonly TimeProvider _clock;
    private readonly Outbox _outbox = new();
    private readonly PipeReader _input;
    private readonly PeerPushes? _pushes;
    private readonly ConcurrentDictionary<uint, TaskCompletionSource<PeerAnswer>> _open = new();
    private readonly Task _running;
    private readonly TimeSpan _idleMax;
    private long _usedTimestamp;
    private uint _correlation = 1; // That of the greeting.
    private volatile bool _isOver;

    private PeerLink(
        NetworkStream stream, PipeReader input, Welcome welcome, PeerPushes? pushes, TimeProvider clock)
    {
        _pushes = pushes;
        _stream = stream;
        _input = input;
        _clock = clock;
        _idleMax = TimeSpan.FromMilliseconds(welcome.Limits.IdleMs) / 2;
        _usedTimestamp = clock.GetTimestamp();
        _running = Task.Run(RunAsync);
    }

    /// <summary>It broke, or the other side is about to end it for its silence.</summary>
    public bool IsOver => _isOver || (_open.IsEmpty && _clock.GetElapsedTime(_usedTimestamp) > _idleMax);

    /// <summary>Connects and greets. Throws an I/O, socket or cancellation exception.</summary>
    public static async Task<PeerLink> ConnectAsync(
        NodeEndpoint endpoint, Hello hello, PeerPushes? pushes, TimeProvider clock, CancellationToken stopping)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(endpoint.Host, endpoint.Port, stopping);
            var stream = new NetworkStream(socket, ownsSocket: true);
            var writer = new FrameWriter();
            writer.Write(1, hello);
            await stream.WriteAsync(writer.Written, stopping);
            var input = PipeReader.Create(stream);
            while (true)
            {
                var result = await input.ReadAsync(stopping);
                var buffer = result.Buffer;
                if (TryCut(ref buffer, out var frame))
                {
                    var welcome = ReadWelcome(frame);
                    input.AdvanceTo(buffer.Start);
                    return new PeerLink(stream, input, welcome, pushes, clock);
                }

                if (result.IsCompleted)
                    throw new EndOfStreamException("closed before it greeted");
                input.AdvanceTo(buffer.Start, buffer.End);
            }
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>Never throws.</summary>
    public async Task<PeerAnswer> AskAsync<T>(T message, TimeSpan patience, CancellationToken stopping)
        where T : IMessage<T>
    {
        var answer = new TaskCompletionSource<PeerAnswer>(TaskCreationOptions.RunContinuationsAsynchronously);
        uint correlation = NextCorrelation();
        _open[correlation] = answer;
        Volatile.Write(ref _usedTimestamp, _clock.GetTimestamp());
        _outbox.Write(correlation, message);
        if (_isOver)
            answer.TrySetResult(new PeerAnswer(PeerEnd.Lost)); // It ended after it had told those that were open.
        try
        {
            return await answer.Task.WaitAsync(patience, _clock, stopping);
        }
        catch (Exception e) when (e is TimeoutException or OperationCanceledException)
        {
            return new PeerAnswer(PeerEnd.Lost);
        }
        finally
        {
            _open.TryRemove(correlation, out _);
        }
    }

    public async ValueTask DisposeAsync()
    {
        _outbox.Close(null);
        await _stream.DisposeAsync();
        await _running;
        _outbox.Dispose();
    }

    private uint NextCorrelation()
    {
        uint next = Interlocked.Increment(ref _correlation);
        return next == 0 ? Interlocked.Increment(ref _correlation) : next;
    }

    private async Task RunAsync()
    {
        var sender = new FrameSender(
            _outbox, PipeWriter.Create(_stream), () => (long)_clock.GetElapsedTime(0).TotalMilliseconds);
        var sending = sender.RunAsync();
        try
        {
            await ReadAsync();
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException or InvalidDataException)
        {
            // It broke: below.
        }

        _isOver = true;
        _outbox.Close(null);
        foreach (var answer in _open.Values)
            answer.TrySetResult(new PeerAnswer(PeerEnd.Lost));
        await _stream.DisposeAsync();
        await sending;
    }

    private async Task ReadAsync()
    {
        while (true)
        {
            var result = await _input.ReadAsync(CancellationToken.None);
            var buffer = result.Buffer;
            while (TryCut(ref buffer, out var frame))
            {
                if (frame.Correlation == 0 && frame.Opcode == Opcode.Error)
                    return; // The reason is in the other node's log, too.
                if (frame.Correlation == 0)
                    Tell(frame);
                else if (_open.TryRemove(frame.Correlation, out var answer))
                    answer.TrySetResult(new PeerAnswer(PeerEnd.Answered, frame.Opcode, frame.Body.ToArray()));
            }

            _pushes?.EndOfRead();
            _input.AdvanceTo(buffer.Start, buffer.End);
            if (result.IsCompleted)
                return;
        }
    }

    private void Tell(in Frame frame)
    {
        if (_pushes is null || frame.Opcode is not (Opcode.Delivery or Opcode.Revoke))
            return;
        var reader = frame.Body.IsSingleSegment
            ? new WireReader(frame.Body.FirstSpan)
            : new WireReader(frame.Body.ToArray());
        var delivery = frame.Opcode == Opcode.Delivery ? Delivery.Read(ref reader) : null;
        var revoke = delivery is null ? Revoke.Read(ref reader) : null;
        if (!reader.TryEnd())
            throw new InvalidDataException(reader.Fault!.Message);
        if (delivery is not null)
            _pushes.Deliver(delivery);
        else
            _pushes.Revoke(revoke!);
    }

    private static bool TryCut(ref ReadOnlySequence<byte> buffer, out Frame frame) =>
        FrameReader.TryRead(ref buffer, FrameHeader.LengthMaxDefault, out frame) switch
        {
            FrameReadStatus.Complete => true,
            FrameReadStatus.Incomplete => false,
            var status => throw new InvalidDataException($"A frame is {status}."),
        };

    private static Welcome ReadWelcome(in Frame frame)
    {
        var reader = new WireReader(frame.Body.ToArray());
        if (frame.Opcode != Welcome.Opcode)
            throw new IOException($"The node refused: it sent {frame.Opcode}.");
        var welcome = Welcome.Read(ref reader);
        return reader.TryEnd() ? welcome : throw new IOException(reader.Fault!.Message);
    }
}
