using Karya.Node.Network;
using Karya.Protocol;
using Karya.Protocol.Messages;
using Microsoft.AspNetCore.Connections;
using Xunit;

namespace Karya.Node.Tests.Network;

/// <summary>A peer on a <see cref="PipeTransport"/>, with the node's end of it.</summary>
internal sealed class PipePeer : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30); // Only a hang gets here.

    private readonly PipeTransport _transport = new();
    private bool _hasLeft;

    public PipePeer(NodeParts node, NetworkOptions options, TimeProvider clock)
    {
        Connection = new Connection(_transport, options, node, () => 1, clock);
        Ended = RunAsync();
    }

    public Connection Connection { get; }

    /// <summary>The node has done with the connection.</summary>
    public Task Ended { get; }

    public bool IsAborted => _transport.IsAborted;

    private static CancellationToken Stopping => TestContext.Current.CancellationToken;

    public async Task<Welcome> GreetAsync()
    {
        await SendAsync(Frames.Hello);
        return (await ReceiveAsync())!.As<Welcome>();
    }

    public async Task SendAsync(ReadOnlyMemory<byte> bytes) =>
        await _transport.ToNode.WriteAsync(bytes, Stopping).AsTask().WaitAsync(Patience, Stopping);

    /// <summary>What the node allocates while it reads this, which it does on this thread.</summary>
    public long SendAndMeasure(ReadOnlyMemory<byte> bytes)
    {
        long before = GC.GetAllocatedBytesForCurrentThread();
        var sent = _transport.ToNode.WriteAsync(bytes, CancellationToken.None);
        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        Assert.True(sent.IsCompletedSuccessfully);
        return allocated;
    }

    /// <summary>The next frame; null when there will be none.</summary>
    public async Task<Received?> ReceiveAsync()
    {
        var input = _transport.FromNode;
        while (true)
        {
            var result = await input.ReadAsync(Stopping).AsTask().WaitAsync(Patience, Stopping);
            var buffer = result.Buffer;
            var frame = Frames.TryCut(ref buffer);
            input.AdvanceTo(buffer.Start, frame is null ? buffer.End : buffer.Start);
            if (frame is not null)
                return frame;
            if (result.IsCompleted)
                return null;
        }
    }

    /// <summary>What the node has sent and the peer has not read; not what waits in the node.</summary>
    public long UnreadBytes
    {
        get
        {
            if (!_transport.FromNode.TryRead(out var result))
                return 0;
            _transport.FromNode.AdvanceTo(result.Buffer.Start);
            return result.Buffer.Length;
        }
    }

    /// <summary>Takes bytes, whatever they are.</summary>
    public async Task<long> ReadSomeAsync(int bytesMax)
    {
        var result = await _transport.FromNode.ReadAsync(Stopping).AsTask().WaitAsync(Patience, Stopping);
        long bytes = Math.Min(bytesMax, result.Buffer.Length);
        _transport.FromNode.AdvanceTo(result.Buffer.GetPosition(bytes));
        return bytes;
    }

    /// <summary>Takes so many answers without looking at more than where they end.</summary>
    public async ValueTask AnswersAsync(int count)
    {
        while (count > 0)
        {
            var result = await _transport.FromNode.ReadAsync(Stopping);
            var buffer = result.Buffer;
            while (FrameReader.TryRead(ref buffer, int.MaxValue, out var frame)
                == FrameReadStatus.Complete)
            {
                Assert.True(frame.Opcode != Opcode.Error);
                count--;
            }

            _transport.FromNode.AdvanceTo(buffer.Start, buffer.End);
        }
    }

    /// <summary>All frames that have come.</summary>
    public async Task ReceiveAllAsync(Action<Received> take)
    {
        var input = _transport.FromNode;
        var result = await input.ReadAsync(Stopping).AsTask().WaitAsync(Patience, Stopping);
        var buffer = result.Buffer;
        while (Frames.TryCut(ref buffer) is { } frame)
            take(frame);
        input.AdvanceTo(buffer.Start, buffer.End);
    }

    public async Task<Received> AskAsync<T>(uint correlation, T message) where T : IMessage<T>
    {
        await SendAsync(Frames.Of(correlation, message));
        var reply = await ReceiveAsync();
        Assert.Equal(correlation, reply!.Correlation);
        return reply;
    }

    /// <summary>Ends what the peer sends.</summary>
    public void Leave()
    {
        if (!_hasLeft && !IsAborted)
            _transport.ToNode.Complete();
        _hasLeft = true;
    }

    /// <summary>The node says why it ends the connection, and ends it.</summary>
    public async Task<ErrorMessage> FarewellAsync()
    {
        var last = await ReceiveAsync();
        Assert.Equal(0u, last!.Correlation);
        await SendAsync(Frames.Of(1, new Ping())); // Too late.
        Leave();
        Assert.Null(await ReceiveAsync());
        await Ended.WaitAsync(Patience, Stopping);
        return last.Error;
    }

    public async ValueTask DisposeAsync()
    {
        Leave();
        _transport.Abort(new ConnectionAbortedException());
        await Ended.WaitAsync(Patience, CancellationToken.None);
        await _transport.DisposeAsync();
    }

    private async Task RunAsync()
    {
        using (Connection)
            await Connection.RunAsync();
        await _transport.Transport.Output.CompleteAsync();
    }
}
