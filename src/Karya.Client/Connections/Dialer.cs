using System.IO.Pipelines;
using System.Net;
using System.Net.Sockets;
using Karya.Client.Errors;
using Karya.Protocol;
using Karya.Protocol.Messages;

namespace Karya.Client.Connections;

/// <summary>Makes connections: connects and greets.</summary>
internal sealed class Dialer(KaryaClientOptions options, ClusterLink owner)
{
    private const int ReadBytes = 64 * 1024;

    /// <summary>A connection that is greeted and not yet started.</summary>
    /// <exception cref="KaryaException">The node refused, did not answer in time, or is none.</exception>
    public async Task<NodeConnection> ConnectAsync(DnsEndPoint endpoint, CancellationToken cancellationToken)
    {
        string address = endpoint.Host.Contains(':')
            ? $"[{endpoint.Host}]:{endpoint.Port}"
            : $"{endpoint.Host}:{endpoint.Port}";
        using var timeout = new CancellationTokenSource(options.ConnectTimeout, options.TimeProvider);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, timeout.Token);
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(endpoint, either.Token).ConfigureAwait(false);
            return await GreetAsync(socket, address, either.Token).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            socket.Dispose();
            bool isCancelled = e is OperationCanceledException && cancellationToken.IsCancellationRequested;
            if (e is KaryaException || isCancelled)
                throw; // A refusal that comes at the moment of the cancel is a refusal.
            string reason = timeout.IsCancellationRequested
                ? $"no answer within {options.ConnectTimeout.TotalSeconds:0.###} s"
                : e.Message;
            throw new KaryaConnectionException(ErrorCode.Unavailable, $"{address}: {reason}", address, e)
            {
                IsTransient = true,
            };
        }
    }

    private async Task<NodeConnection> GreetAsync(Socket socket, string address, CancellationToken cancellationToken)
    {
        var stream = new NetworkStream(socket, ownsSocket: true);
        var writer = new FrameWriter();
        writer.Write(1, new Hello(ProtocolVersion.Min, ProtocolVersion.Max, options.ClientName, Token: null));
        await stream.WriteAsync(writer.Written, cancellationToken).ConfigureAwait(false);

        var reader = PipeReader.Create(stream, new StreamPipeReaderOptions(bufferSize: ReadBytes, leaveOpen: true));
        while (true)
        {
            var result = await reader.ReadAsync(cancellationToken).ConfigureAwait(false);
            var buffer = result.Buffer;
            var status = FrameReader.TryRead(ref buffer, FrameHeader.LengthMaxDefault, out var frame);
            if (status == FrameReadStatus.Complete)
            {
                var welcome = ReadWelcome(frame, address);
                reader.AdvanceTo(buffer.Start);
                return new NodeConnection(stream, reader, welcome, address, options.TimeProvider, owner);
            }

            if (status != FrameReadStatus.Incomplete)
                throw NotKarya(address, $"the frame is {status}");
            if (result.IsCompleted)
                throw new EndOfStreamException("closed before it greeted");
            reader.AdvanceTo(buffer.Start, buffer.End);
        }
    }

    private static Welcome ReadWelcome(in Frame frame, string address)
    {
        byte[] body = System.Buffers.BuffersExtensions.ToArray(frame.Body);
        var reader = new WireReader(body);
        if (frame.Opcode == Opcode.Error)
        {
            var error = ErrorMessage.Read(ref reader);
            if (reader.TryEnd())
                throw Refusals.ToException(error, address);
        }
        else if (frame.Opcode == Welcome.Opcode)
        {
            var welcome = Welcome.Read(ref reader);
            if (reader.TryEnd())
                return welcome;
        }

        throw NotKarya(address, reader.Fault?.Message ?? $"the opcode is {(int)frame.Opcode}");
    }

    private static KaryaConnectionException NotKarya(string address, string reason) => new(
        ErrorCode.NotKaryaProtocol, $"{address} does not answer as a Karya node does: {reason}.", address);
}
