using System.Buffers;
using System.IO.Pipelines;
using System.Net.Sockets;
using System.Threading.Channels;
using Karya.Protocol;
using Karya.Protocol.Messages;

namespace Karya.Client.Tests.Fakes;

/// <summary>The node's end of one connection. Answers pings by itself; everything else is the test's.</summary>
internal sealed class FakeConnection : IAsyncDisposable
{
    private readonly Socket _socket;
    private readonly NetworkStream _stream;
    private readonly Channel<(Opcode Opcode, uint Id, byte[] Body)> _frames =
        Channel.CreateUnbounded<(Opcode, uint, byte[])>();
    private readonly SemaphoreSlim _writing = new(1);
    private readonly Task _reading;

    public FakeConnection(Socket socket)
    {
        _socket = socket;
        _socket.NoDelay = true;
        _stream = new NetworkStream(socket);
        _reading = ReadAsync();
    }

    public Hello? Hello { get; set; }

    /// <summary>False: pings come like all other requests.</summary>
    public bool AnswersPings { get; set; } = true;

    /// <summary>Completes when the client has closed the connection.</summary>
    public Task Closed => _reading;

    /// <summary>The opcode of the next request that has arrived; null when none has.</summary>
    public Opcode? Arrived => _frames.Reader.TryPeek(out var frame) ? frame.Opcode : null;

    /// <summary>Waits for the next request, and leaves it.</summary>
    public async Task<Opcode?> ArrivesAsync()
    {
        await _frames.Reader.WaitToReadAsync().AsTask().Soonly("a request");
        return Arrived;
    }

    /// <summary>The next request, which must be of that kind.</summary>
    public async Task<(uint Id, T Message)> ExpectAsync<T>() where T : IMessage<T>
    {
        var (opcode, id, body) = await _frames.Reader.ReadAsync().AsTask().Soonly($"a request {T.Opcode}");
        Xunit.Assert.Equal(T.Opcode, opcode);
        return (id, Decode<T>(body));
    }

    /// <summary>Answers the next request, which must be of that kind.</summary>
    public async Task<T> AnswerAsync<T, TReply>(TReply reply) where T : IMessage<T> where TReply : IMessage<TReply>
    {
        var (id, message) = await ExpectAsync<T>();
        await ReplyAsync(id, reply);
        return message;
    }

    public Task ReplyAsync<T>(uint id, T message) where T : IMessage<T>
    {
        var writer = new FrameWriter();
        writer.Write(id, message);
        return SendAsync(writer.Written);
    }

    public Task PushAsync<T>(T message) where T : IMessage<T> => ReplyAsync(0, message);

    public async Task SendAsync(ReadOnlyMemory<byte> bytes)
    {
        await _writing.WaitAsync();
        try
        {
            await _stream.WriteAsync(bytes);
        }
        finally
        {
            _writing.Release();
        }
    }

    /// <summary>Resets the connection.</summary>
    public async ValueTask DisposeAsync()
    {
        try
        {
            _socket.LingerState = new LingerOption(true, 0);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // Closed already.
        }

        await _stream.DisposeAsync();
        _socket.Dispose();
        await _reading;
        _writing.Dispose();
    }

    public static T Decode<T>(ReadOnlySpan<byte> body) where T : IMessage<T>
    {
        var reader = new WireReader(body);
        var message = T.Read(ref reader);
        Xunit.Assert.True(reader.TryEnd(), reader.Fault?.Message);
        return message;
    }

    private async Task ReadAsync()
    {
        var reader = PipeReader.Create(_stream);
        try
        {
            while (true)
            {
                var result = await reader.ReadAsync();
                var buffer = result.Buffer;
                while (FrameReader.TryRead(ref buffer, int.MaxValue, out var frame) == FrameReadStatus.Complete)
                {
                    if (frame.Opcode == Opcode.Ping && AnswersPings)
                        _ = ReplyAsync(frame.Correlation, new Pong(1_767_225_600_000));
                    else
                        _frames.Writer.TryWrite((frame.Opcode, frame.Correlation, frame.Body.ToArray()));
                }

                reader.AdvanceTo(buffer.Start, buffer.End);
                if (result.IsCompleted)
                    return;
            }
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException or SocketException)
        {
            // Reset by either side.
        }
    }
}
