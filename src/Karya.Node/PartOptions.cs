using System.Net;
using Karya.Engine.Dispatching;
using Karya.Engine.Shards;
using Karya.Node.Configuration;
using Karya.Node.Http;
using Karya.Node.Network;
using Karya.Node.Plans;

namespace Karya.Node;

/// <summary>What the parts of a node are told of its options. Pure, but for names of addresses to listen on.</summary>
internal static class PartOptions
{
    public static NetworkOptions OfNetwork(TcpOptions tcp) => new(
        EndpointsOf(tcp.Listen), tcp.FrameBytesMax, tcp.InFlightMax, tcp.ConnectionsMax, tcp.ConnectionsPerAddressMax,
        tcp.Idle);

    public static Http.HttpOptions OfHttp(NodeOptions options) => new()
    {
        Endpoints = [new HttpEndpoint(options.Http.Listen.Host, options.Http.Listen.Port)],
        Cors = options.Compat.Cors == CorsRule.Any ? CorsMode.Any : CorsMode.Loopback,
        MaxChainedDepth = options.Compat.MaxChainedDepth,
        Strict = options.Compat.Strict,
    };

    public static ShardOptions OfShard(NodeOptions options, int number) => new(
        number,
        options.Engine.Partitions,
        Math.Max(1, options.Executor.Concurrency / options.Engine.ShardCount),
        Math.Max(1, options.Executor.PerTarget / options.Engine.ShardCount),
        (long)options.Engine.Horizon.TotalMilliseconds,
        (long)options.Storage.ProjectionInterval.TotalMilliseconds,
        options.Storage.ProjectionLagMax)
    {
        LanePace = PaceOf(options),
    };

    /// <summary>Each shard has its part of the rate.</summary>
    private static LanePace PaceOf(NodeOptions options)
    {
        int rate = options.Executor.TargetRate;
        return rate == 0 ? default : new LanePace(1_000_000L * options.Engine.ShardCount / rate, Lanes.Chained);
    }

    private static IPEndPoint[] EndpointsOf(ListenAddress listen)
    {
        if (listen.Host == "*")
            return [new IPEndPoint(IPAddress.IPv6Any, listen.Port)];
        IPAddress[] addresses = IPAddress.TryParse(listen.Host, out var address)
            ? [address]
            : Dns.GetHostAddresses(listen.Host);
        return [.. addresses.Distinct().Select(one => new IPEndPoint(one, listen.Port))];
    }
}
