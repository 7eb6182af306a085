using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;

namespace Karya.Node.Execution.Egress;

/// <summary>All addresses of a name. Throws <see cref="SocketException"/> when it has none.</summary>
internal delegate Task<IPAddress[]> ResolveHost(string host, CancellationToken stopping);

/// <summary>
/// The way out for all connectors: resolves a name, checks each of its addresses, and connects to one that it has
/// checked. A name that means something else a moment later changes nothing. Thread-safe.
/// </summary>
/// <remarks>
/// What is refused: networks that are not public unless the rules name them, addresses of cloud metadata and the node's
/// own servers always. Of a name with allowed and other addresses only the allowed ones are called.
/// </remarks>
internal sealed class EgressGate(EgressRules rules, ResolveHost? resolve = null)
{
    /// <summary>Names of metadata services, whatever they resolve to here.</summary>
    private static readonly HashSet<string> MetadataHosts = new(StringComparer.OrdinalIgnoreCase)
    {
        "metadata", "metadata.google.internal", "metadata.goog", "instance-data", "metadata.azure.internal",
    };

    private readonly ResolveHost _resolve = resolve ?? ((host, stopping) => Dns.GetHostAddressesAsync(host, stopping));

    /// <summary>Never called, whatever the rules allow.</summary>
    public IReadOnlyList<OwnServer> OwnServers { get; set; } = [];

    /// <summary>The socket, connected; the caller's.</summary>
    /// <exception cref="EgressDeniedException">No address of the host may be called.</exception>
    /// <exception cref="SocketException">
    /// The name has no address, or none of those that may be called answers.
    /// </exception>
    public async ValueTask<Socket> ConnectAsync(string host, int port, CancellationToken stopping)
    {
        var addresses = await CheckAsync(host, port, stopping);
        for (int i = 0; ; i++)
        {
            var socket = new Socket(addresses[i].AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            try
            {
                await socket.ConnectAsync(new IPEndPoint(addresses[i], port), stopping);
                return socket;
            }
            catch (SocketException) when (i + 1 < addresses.Count)
            {
                socket.Dispose(); // The next one.
            }
            catch
            {
                socket.Dispose();
                throw;
            }
        }
    }

    /// <summary>Those addresses of a host that may be called; at least one.</summary>
    /// <exception cref="EgressDeniedException">None may be.</exception>
    /// <exception cref="SocketException">The name has no address.</exception>
    public async ValueTask<IReadOnlyList<IPAddress>> CheckAsync(string host, int port, CancellationToken stopping)
    {
        string name = host.TrimEnd('.');
        if (MetadataHosts.Contains(name))
            throw Denied(host, "is where clouds hand out credentials (metadata), which is never called");
        var addresses = await AddressesOfAsync(host, stopping);
        string? refusal = null;
        var allowed = new List<IPAddress>(addresses.Length);
        foreach (var address in addresses)
        {
            if ((rules.Judge(address) ?? await JudgeOwnAsync(address, port, stopping)) is { } why)
                refusal ??= why;
            else
                allowed.Add(address);
        }

        if (allowed.Count > 0)
            return allowed;
        throw Denied(host, refusal is null ? "has no address" : $"is not to be called: {refusal}");
    }

    private async Task<IPAddress[]> AddressesOfAsync(string host, CancellationToken stopping)
    {
        var literal = host.AsSpan().Trim("[]");
        return IPAddress.TryParse(literal, out var address) ? [address] : await _resolve(host, stopping);
    }

    private async ValueTask<string?> JudgeOwnAsync(IPAddress address, int port, CancellationToken stopping)
    {
        foreach (var own in OwnServers)
        {
            if (own.Port == port && await IsAtAsync(own.Host, AddressKinds.Plain(address), stopping))
                return $"{address}:{port} is {own.Name} (own listener), which is never called";
        }

        return null;
    }

    private async ValueTask<bool> IsAtAsync(string host, IPAddress address, CancellationToken stopping)
    {
        if (host == "*")
            return AddressKinds.Of(address) == AddressKind.Loopback || AddressesOfThisMachine().Contains(address);
        try
        {
            var addresses = await AddressesOfAsync(host, stopping);
            return addresses.Any(one => AddressKinds.Plain(one).Equals(address));
        }
        catch (SocketException)
        {
            return false; // Not known now, so not the address that is known.
        }
    }

    private static IEnumerable<IPAddress> AddressesOfThisMachine() => NetworkInterface.GetAllNetworkInterfaces()
        .SelectMany(network => network.GetIPProperties().UnicastAddresses)
        .Select(unicast => AddressKinds.Plain(unicast.Address));

    private static EgressDeniedException Denied(string host, string why) =>
        new($"egress denied: '{host}' {why}.");
}
