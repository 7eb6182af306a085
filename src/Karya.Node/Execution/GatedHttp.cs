using System.Buffers;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Karya.Node.Execution.Egress;
using Karya.Node.Plans;

namespace Karya.Node.Execution;

/// <summary>HTTP to targets that may mean harm: through the gate, and of an answer no more than a limit.</summary>
internal static class GatedHttp
{
    private const int ResponseHeadersKiBMax = 32;

    // A connection that nobody waits for any more is given up after this; attempts have their own limit.
    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(10);

    // Short enough to follow changes of DNS, long enough not to matter.
    private static readonly TimeSpan ConnectionLifetime = TimeSpan.FromMinutes(2);

    /// <summary>Connections are pooled, and closed with the invoker. Redirects are answers like others.</summary>
    public static HttpMessageInvoker NewInvoker(EgressGate gate) => new(new SocketsHttpHandler
    {
        PooledConnectionLifetime = ConnectionLifetime,
        ConnectTimeout = ConnectTimeout,
        ConnectCallback = async (context, stopping) =>
        {
            var (host, port) = (context.DnsEndPoint.Host, context.DnsEndPoint.Port);
            if (ServicePorts.NameOf(port) is { } service)
                throw new EgressDeniedException($"egress denied: port {port} is that of {service}, not of HTTP.");
            return new NetworkStream(await gate.ConnectAsync(host, port, stopping), ownsSocket: true);
        },
        UseProxy = false,
        UseCookies = false,
        AllowAutoRedirect = false,
        AutomaticDecompression = DecompressionMethods.None,
        MaxResponseHeadersLength = ResponseHeadersKiBMax,
        MaxResponseDrainSize = 0,   // What is over the limit is not read: the connection is closed instead.
        ActivityHeadersPropagator = null,
        RequestHeaderEncodingSelector = static (_, _) => Encoding.UTF8,
    });

    /// <summary>
    /// Reads the body to its end, so that the connection can be used again, or to the limit; what is missing is
    /// remarked upon at the end of the text.
    /// </summary>
    /// <param name="response">Its headers have come.</param>
    /// <param name="bytesMax">No more is read.</param>
    /// <param name="keeps">False: the text is of no interest, and empty.</param>
    /// <param name="deadline">Ends the wait.</param>
    public static async ValueTask<string> ReadBodyAsync(
        HttpResponseMessage response, int bytesMax, bool keeps, CancellationToken deadline)
    {
        if (response.Content.Headers.ContentLength == 0)
            return "";

        byte[] buffer = ArrayPool<byte>.Shared.Rent(bytesMax);
        try
        {
            var (count, ending) = await FillAsync(response.Content, buffer.AsMemory(0, bytesMax), deadline);
            return keeps ? Encoding.UTF8.GetString(buffer, 0, count) + ending : "";
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>How many bytes came, and a remark for when that is not all.</summary>
    private static async ValueTask<(int Count, string Ending)> FillAsync(
        HttpContent content, Memory<byte> buffer, CancellationToken deadline)
    {
        int count = 0;
        try
        {
            // Owned by the response, which disposes it.
            var stream = await content.ReadAsStreamAsync(deadline);
            int read = -1;
            while (read != 0 && count < buffer.Length)
            {
                read = await stream.ReadAsync(buffer[count..], deadline);
                count += read;
            }

            bool isCut = read != 0 && await stream.ReadAsync(new byte[1], deadline) != 0;
            return (count, isCut ? Remark($"read no further than {count} bytes") : "");
        }
        catch (IOException e) when (!deadline.IsCancellationRequested)
        {
            return (count, Remark($"the answer broke off: {e.GetBaseException().Message}"));
        }
    }

    private static string Remark(FormattableString text) => $"… [{FormattableString.Invariant(text)}]";
}
