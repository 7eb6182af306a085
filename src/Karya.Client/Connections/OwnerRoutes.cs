using System.Net;
using Karya.Protocol;
using Karya.Protocol.Messages;

namespace Karya.Client.Connections;

/// <summary>
/// Connections to the owners of partitions beside the one that a client has anyway, so that a request about a plan goes
/// straight to the node that has it. They are made in the background when they are first wanted, and only ever spare a
/// hop: without one the request goes to any node, which sends it on.
/// </summary>
/// <remarks>Thread-safe.</remarks>
internal sealed class OwnerRoutes(Dialer dialer, TimeProvider time, CancellationToken stopping)
{
    /// <summary>After a failure a node is left alone for so long.</summary>
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(5);

    private readonly Lock _lock = new();
    private readonly Dictionary<NodeEndpoint, Route> _routes = [];

    /// <summary>Runs a new connection until it ends.</summary>
    public required Func<NodeConnection, Task> Run { get; init; }

    /// <summary>The owner of a plan, by a map that may be old.</summary>
    public static NodeEndpoint OwnerOf(PartitionMap map, UInt128 plan) =>
        map.Nodes[map.Owners[PartitionHash.Of(plan, map.Owners.Count)]];

    /// <summary>Where the node of a connection is to be reached, as it says: it comes first in its own maps.</summary>
    public static NodeEndpoint PlaceOf(NodeConnection connection) => connection.Welcome.Map.Nodes[0];

    /// <summary>An open connection to a node; null when there is none, or none yet.</summary>
    public NodeConnection? Find(NodeEndpoint node)
    {
        lock (_lock)
        {
            if (!_routes.TryGetValue(node, out var route))
                _routes.Add(node, route = new Route());
            if (route.Connection is { Retired.IsCompleted: false } open)
                return open;
            bool mayDial = route.Dialling.IsCompleted
                && (route.FailedAt is not { } failedAt || time.GetElapsedTime(failedAt) >= Pause);
            if (!mayDial || stopping.IsCancellationRequested)
                return null;
            route.Connection = null;
            using var _ = ExecutionContext.SuppressFlow();
            route.Dialling = Task.Run(() => DialAsync(node, route), CancellationToken.None);
            return null;
        }
    }

    /// <summary>Ends with the last attempt to connect, once the client stops.</summary>
    public Task WhenQuietAsync()
    {
        lock (_lock)
            return Task.WhenAll(_routes.Values.Select(route => route.Dialling));
    }

    private async Task DialAsync(NodeEndpoint node, Route route)
    {
        NodeConnection? connection = null;
        try
        {
            connection = await dialer.ConnectAsync(new DnsEndPoint(node.Host.Trim('[', ']'), node.Port), stopping)
                .ConfigureAwait(false);
            _ = Run(connection);
        }
        catch (Exception e) when (e is KaryaException or OperationCanceledException)
        {
            // The request goes the long way.
        }

        lock (_lock)
        {
            route.Connection = connection;
            route.FailedAt = connection is null ? time.GetTimestamp() : null;
        }
    }

    private sealed class Route
    {
        public NodeConnection? Connection { get; set; }

        public Task Dialling { get; set; } = Task.CompletedTask;

        public long? FailedAt { get; set; }
    }
}
