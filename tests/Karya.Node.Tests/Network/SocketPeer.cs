using System.IO.Pipelines;
using System.Net;
using System.Net.Sockets;
using Karya.Protocol.Messages;
using Xunit;

namespace Karya.Node.Tests.Network;

/// <summary>A peer with a socket.</summary>
internal sealed class SocketPeer : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30); // Only a hang gets here.

    private readonly TcpClient _client = new();
    private PipeReader? _input;

    private static CancellationToken Stopping => TestContext.Current.CancellationToken;

    public static async Task<SocketPeer> ConnectAsync(IPEndPoint endpoint)
    {
        var peer = new SocketPeer();
        await peer._client.Client.ConnectAsync(endpoint, Stopping);
        peer._input = PipeReader.Create(peer._client.GetStream());
        return peer;
    }

    public static async Task<SocketPeer> GreetedAsync(IPEndPoint endpoint)
    {
        var peer = await ConnectAsync(endpoint);
        await peer.SendAsync(Frames.Hello);
        (await peer.ReceiveAsync())!.As<Welcome>();
        return peer;
    }

    public async Task SendAsync(ReadOnlyMemory<byte> bytes) => await _client.GetStream().WriteAsync(bytes, Stopping);

    /// <summary>The next frame; null when there will be none.</summary>
    public async Task<Received?> ReceiveAsync()
    {
        try
        {
            while (true)
            {
                var result = await _input!.ReadAsync(Stopping).AsTask().WaitAsync(Patience, Stopping);
                var buffer = result.Buffer;
                var frame = Frames.TryCut(ref buffer);
                _input.AdvanceTo(buffer.Start, frame is null ? buffer.End : buffer.Start);
                if (frame is not null || result.IsCompleted)
                    return frame;
            }
        }
        catch (IOException)
        {
            return null; // Reset.
        }
    }

    public async Task<Received> AskAsync<T>(uint correlation, T message) where T : IMessage<T>
    {
        await SendAsync(Frames.Of(correlation, message));
        return (await ReceiveAsync())!;
    }

    /// <summary>The same; what is pushed meanwhile is passed over.</summary>
    public async Task<Received> AnswerAsync<T>(uint correlation, T message) where T : IMessage<T>
    {
        var answer = await AskAsync(correlation, message);
        while (answer.Correlation != correlation)
            answer = (await ReceiveAsync())!;
        return answer;
    }

    /// <summary>Ends what it sends, and goes on reading.</summary>
    public void FinishSending() => _client.Client.Shutdown(SocketShutdown.Send);

    /// <summary>Ends the connection as a crash does.</summary>
    public void Reset()
    {
        _client.LingerState = new LingerOption(true, 0);
        _client.Close();
    }

    public ValueTask DisposeAsync()
    {
        _client.Dispose();
        return ValueTask.CompletedTask;
    }
}
