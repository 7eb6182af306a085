using System.Net;
using Karya.Node.Diagnostics;
using Karya.Node.Plans;
using Karya.Protocol.Messages;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Karya.Node.Http;

/// <summary>
/// The HTTP side of a node: <c>/v1</c> (the original's API), <c>/api</c> (ours), probes and metrics. It turns requests
/// into calls of the <see cref="IPlanDesk"/> and knows nothing of what is behind it.
/// </summary>
/// <remarks>
/// Call <see cref="StartAsync"/> once, then <see cref="StopAsync"/> once, then dispose. Kestrel is used bare, without
/// host and container: a dozen routes need neither, and it starts in a fraction of the time.
/// <code>
/// Kestrel → FrontDoor (Host, CORS, Origin) → Router → V1/* | Api/* | Probes → IPlanDesk
/// </code>
/// </remarks>
internal sealed class HttpApi : IAsyncDisposable
{
    /// <summary>Connections at once. Each serves one request at a time.</summary>
    public const int ConnectionsMax = 2048;

    /// <summary>
    /// A body that is too large is read to its end and thrown away up to this many times the limit, because a client
    /// that is cut off while it writes never reads the answer.
    /// </summary>
    private const int DiscardedBodies = 8;

    private readonly HttpOptions _options;
    private readonly IPlanDesk _desk;
    private readonly IDeadLetterDesk _deadLetters;
    private readonly Func<Task<ClusterStatusReply>> _cluster;
    private readonly Func<string?, CancellationToken, Task<ConnectorsReply>> _connectors;
    private readonly Metrics _metrics;
    private readonly Health _health;
    private readonly ILoggerFactory _loggers;
    private KestrelServer? _server;

    /// <param name="options">Of its sockets.</param>
    /// <param name="desk">Serves requests.</param>
    /// <param name="cluster">Tells who is there, and who owns what.</param>
    /// <param name="connectors">Tells which connectors there are, and tries out the one that is named.</param>
    /// <param name="metrics">Are shown.</param>
    /// <param name="health">Is shown.</param>
    /// <param name="loggers">Where messages go.</param>
    public HttpApi(
        HttpOptions options, IPlanDesk desk, IDeadLetterDesk deadLetters, Func<Task<ClusterStatusReply>> cluster,
        Func<string?, CancellationToken, Task<ConnectorsReply>> connectors, Metrics metrics, Health health,
        ILoggerFactory loggers)
    {
        _connectors = connectors;
        _cluster = cluster;
        _options = options;
        _desk = desk;
        _deadLetters = deadLetters;
        _metrics = metrics;
        _health = health;
        _loggers = loggers;
    }

    /// <summary>
    /// Binds every endpoint and serves. Throws <see cref="IOException"/> when an address is in use or not ours.
    /// </summary>
    /// <returns>The addresses that are bound, with the ports that were taken for port 0.</returns>
    public async Task<IReadOnlyList<Uri>> StartAsync(CancellationToken stopping)
    {
        var kestrel = new KestrelServerOptions { AddServerHeader = false };
        kestrel.Limits.MaxRequestBodySize = (long)_options.BodyBytesMax * DiscardedBodies;
        kestrel.Limits.MaxConcurrentConnections = ConnectionsMax;
        kestrel.ConfigureEndpointDefaults(endpoint => endpoint.Protocols = HttpProtocols.Http1);
        bool loopbackOnly = true;
        foreach (var endpoint in _options.Endpoints)
            loopbackOnly &= await ListenAsync(kestrel, endpoint, stopping);

        var origins = new OriginPolicy(_options, loopbackOnly);
        var router = new Router(_options, _desk, _deadLetters, _cluster, _connectors, _metrics, _health);
        var door = new FrontDoor(origins, router, _loggers.CreateLogger<FrontDoor>());

        var transport = new SocketTransportFactory(Options.Create(new SocketTransportOptions()), _loggers);
        _server = new KestrelServer(Options.Create(kestrel), transport, _loggers);
        await _server.StartAsync(door, stopping);
        var addresses = _server.Features.GetRequiredFeature<IServerAddressesFeature>().Addresses;
        return [.. addresses.Select(text => new Uri(text))];
    }

    /// <summary>
    /// Accepts nothing new, lets running requests end until <paramref name="impatient"/>, then cuts them off.
    /// </summary>
    public Task StopAsync(CancellationToken impatient) => _server?.StopAsync(impatient) ?? Task.CompletedTask;

    public ValueTask DisposeAsync()
    {
        _server?.Dispose();
        return ValueTask.CompletedTask;
    }

    /// <summary>Answers whether only this machine can reach the endpoint.</summary>
    private static async Task<bool> ListenAsync(
        KestrelServerOptions kestrel, HttpEndpoint endpoint, CancellationToken stopping)
    {
        if (endpoint.Host == "*")
        {
            kestrel.ListenAnyIP(endpoint.Port);
            return false;
        }

        // Kestrel's own way gets along without IPv6, but cannot take a free port for both addresses.
        if (endpoint.Host.Equals("localhost", StringComparison.OrdinalIgnoreCase) && endpoint.Port != 0)
        {
            kestrel.ListenLocalhost(endpoint.Port);
            return true;
        }

        IPAddress[] addresses = IPAddress.TryParse(endpoint.Host, out var address)
            ? [address]
            : [.. (await Dns.GetHostAddressesAsync(endpoint.Host, stopping)).Distinct()];
        foreach (var one in addresses)
            kestrel.Listen(one, endpoint.Port);

        return Array.TrueForAll(addresses, IPAddress.IsLoopback);
    }
}
