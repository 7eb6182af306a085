using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Karya.Node.Tests.Execution;

/// <summary>A target that answers with whatever bytes a test wants, valid HTTP or not.</summary>
internal sealed class RawTarget : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stop = new();
    private readonly Func<Socket, CancellationToken, Task> _answer;
    private readonly Task _accepting;

    /// <param name="answer">
    /// Called for each connection when the headers of its first request have come; then it is closed.
    /// </param>
    public RawTarget(Func<Socket, CancellationToken, Task> answer)
    {
        _answer = answer;
        _listener.Start();
        _accepting = AcceptAsync();
    }

    public RawTarget(string answer)
        : this((socket, stopping) => socket.SendAsync(Encoding.Latin1.GetBytes(answer), stopping).AsTask())
    {
    }

    /// <summary><c>127.0.0.1:port</c></summary>
    public string Authority => string.Create(
        CultureInfo.InvariantCulture, $"127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}");

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _accepting;
        _listener.Dispose();
        _stop.Dispose();
    }

    /// <summary>Closes so that the peer gets a reset instead of an end.</summary>
    public static void Reset(Socket socket)
    {
        socket.LingerState = new LingerOption(true, 0);
        socket.Close();
    }

    private async Task AcceptAsync()
    {
        var serving = new List<Task>();
        try
        {
            while (true)
                serving.Add(ServeAsync(await _listener.AcceptSocketAsync(_stop.Token)));
        }
        catch (OperationCanceledException)
        {
            await Task.WhenAll(serving);
        }
    }

    private async Task ServeAsync(Socket socket)
    {
        using (socket)
        {
            try
            {
                await ReadHeadersAsync(socket);
                await _answer(socket, _stop.Token);
            }
            catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
            {
                // The caller hung up, or the test is over.
            }
        }
    }

    private async Task ReadHeadersAsync(Socket socket)
    {
        var received = new StringBuilder();
        byte[] buffer = new byte[4096];
        while (!received.ToString().Contains("\r\n\r\n", StringComparison.Ordinal))
        {
            int count = await socket.ReceiveAsync(buffer, _stop.Token);
            if (count == 0)
                throw new OperationCanceledException("The caller hung up.");
            received.Append(Encoding.Latin1.GetString(buffer, 0, count));
        }
    }
}
