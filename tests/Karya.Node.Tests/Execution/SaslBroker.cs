using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Karya.Node.Tests.Execution;

/// <summary>
/// A Kafka broker that demands SASL/PLAIN and then says who it is: as much of the protocol as a client needs to sign in
/// and to ask for metadata. The brokers that librdkafka brings take everybody.
/// </summary>
internal sealed class SaslBroker : IAsyncDisposable
{
    private const short Metadata = 3;
    private const short SaslHandshake = 17;
    private const short ApiVersions = 18;
    private const short SaslAuthenticate = 36;
    private const short UnsupportedVersion = 35;
    private const short AuthenticationFailed = 58;

    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stop = new();
    private readonly string _credentials;
    private readonly Task _accepting;

    public SaslBroker(string user, string password)
    {
        _credentials = $"\0{user}\0{password}";
        _listener.Start();
        _accepting = AcceptAsync();
    }

    /// <summary>What clients have signed in with.</summary>
    public ConcurrentQueue<string> Seen { get; } = new();

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    public string Address => string.Create(CultureInfo.InvariantCulture, $"127.0.0.1:{Port}");

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _accepting;
        _listener.Dispose();
        _stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        var serving = new List<Task>();
        try
        {
            while (true)
                serving.Add(ServeAsync(await _listener.AcceptTcpClientAsync(_stop.Token)));
        }
        catch (OperationCanceledException)
        {
            await Task.WhenAll(serving);
        }
    }

    private async Task ServeAsync(TcpClient client)
    {
        using var owned = client;
        await using var stream = client.GetStream();
        try
        {
            while (true)
            {
                byte[] request = new byte[await ReadInt32Async(stream)];
                await stream.ReadExactlyAsync(request, _stop.Token);
                byte[] reply = Answer(request);
                byte[] head = new byte[8];
                BinaryPrimitives.WriteInt32BigEndian(head, reply.Length + 4);
                request.AsSpan(4, 4).CopyTo(head.AsSpan(4)); // The correlation id.
                await stream.WriteAsync((byte[])[.. head, .. reply], _stop.Token);
            }
        }
        catch (Exception e) when (e is IOException or OperationCanceledException)
        {
            // The client has left, or the test has ended.
        }
    }

    private async Task<int> ReadInt32Async(NetworkStream stream)
    {
        byte[] bytes = new byte[4];
        await stream.ReadExactlyAsync(bytes, _stop.Token);
        return BinaryPrimitives.ReadInt32BigEndian(bytes);
    }

    private byte[] Answer(byte[] request)
    {
        short kind = BinaryPrimitives.ReadInt16BigEndian(request);
        short version = BinaryPrimitives.ReadInt16BigEndian(request.AsSpan(2));
        return kind switch
        {
            ApiVersions => [.. Int16(version == 0 ? (short)0 : UnsupportedVersion), .. Versions()],
            SaslHandshake => [.. Int16(0), .. Int32(1), .. Text("PLAIN")],
            SaslAuthenticate => Judge(request),
            Metadata => [.. Int32(1), .. Int32(1), .. Text("127.0.0.1"), .. Int32(Port), .. Int32(0)],
            _ => [],
        };
    }

    private static byte[] Versions() =>
    [
        .. Int32(4), .. Int16(ApiVersions), .. Int16(0), .. Int16(0), .. Int16(SaslHandshake), .. Int16(0), .. Int16(1),
        .. Int16(SaslAuthenticate), .. Int16(0), .. Int16(0), .. Int16(Metadata), .. Int16(0), .. Int16(0),
    ];

    /// <summary>The token is all that follows the length behind the client's name.</summary>
    private byte[] Judge(byte[] request)
    {
        int name = BinaryPrimitives.ReadInt16BigEndian(request.AsSpan(8));
        string token = Encoding.UTF8.GetString(request.AsSpan(10 + name + 4));
        Seen.Enqueue(token);
        return token == _credentials
            ? [.. Int16(0), .. Int16(-1), .. Int32(0)]
            : [.. Int16(AuthenticationFailed), .. Text("no such user"), .. Int32(0)];
    }

    private static byte[] Text(string text) => [.. Int16((short)text.Length), .. Encoding.UTF8.GetBytes(text)];

    private static byte[] Int16(short value) => [(byte)(value >> 8), (byte)value];

    private static byte[] Int32(int value) => [.. Int16((short)(value >> 16)), .. Int16((short)value)];
}
