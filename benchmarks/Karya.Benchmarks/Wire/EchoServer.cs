using System.Net;
using Karya.Protocol;
using Karya.Protocol.Messages;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;

namespace Karya.Benchmarks.Wire;

/// <summary>
/// The limit of the wire figures: the same frames through the same transport, cut and answered with frames of the same
/// size, and nothing behind it.
/// </summary>
internal sealed class EchoServer : IAsyncDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private readonly IConnectionListener _listener;
    private readonly Task _accepting;

    private EchoServer(IConnectionListener listener)
    {
        _listener = listener;
        _accepting = AcceptAsync();
    }

    public IPEndPoint Endpoint => (IPEndPoint)_listener.EndPoint;

    public static async Task<EchoServer> StartAsync()
    {
        var factory = new SocketTransportFactory(
            Options.Create(new SocketTransportOptions()), NullLoggerFactory.Instance);
        return new EchoServer(await factory.BindAsync(new IPEndPoint(IPAddress.Loopback, 0)));
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _listener.DisposeAsync();
        await _accepting;
        _stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (await _listener.AcceptAsync(_stop.Token) is { } connection)
                _ = ServeAsync(connection);
        }
        catch (OperationCanceledException)
        {
            // That was the end.
        }
    }

    private static async Task ServeAsync(ConnectionContext connection)
    {
        var writer = new FrameWriter();
        var input = connection.Transport.Input;
        while (true)
        {
            var result = await input.ReadAsync();
            var buffer = result.Buffer;
            writer.Clear();
            while (FrameReader.TryRead(ref buffer, FrameHeader.LengthMaxDefault, out var frame)
                == FrameReadStatus.Complete)
            {
                Answer(writer, frame);
            }

            input.AdvanceTo(buffer.Start, buffer.End);
            if (result.IsCompleted)
                break;
            await connection.Transport.Output.WriteAsync(writer.Written);
        }

        await connection.DisposeAsync();
    }

    private static void Answer(FrameWriter writer, in Frame frame)
    {
        if (frame.Opcode == Opcode.SubmitMany)
        {
            var results = Enumerable.Repeat(new SubmitResult(1, false, null), LoadClient.PlansPerFrame).ToArray();
            writer.Write(frame.Correlation, new SubmitManyReply(Durability.Durable, results));
            return;
        }

        writer.Begin(SubmitReply.Opcode, frame.Correlation);
        writer.WriteArray(3);
        writer.WriteUuid(1);
        writer.WriteInt64(0);
        writer.WriteBool(false);
        writer.End();
    }
}
