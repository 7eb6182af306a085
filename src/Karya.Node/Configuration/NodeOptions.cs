using System.Globalization;
using Microsoft.Extensions.Logging;

namespace Karya.Node.Configuration;

/// <summary>
/// Every number and switch that an operator may change, with its default. Immutable; made once at start by
/// <see cref="OptionsReader"/>, which has checked the limits given in <see cref="OptionTable"/>.
/// </summary>
internal sealed record NodeOptions
{
    public static readonly NodeOptions Default = new();

    public HttpOptions Http { get; init; } = new();

    public TcpOptions Tcp { get; init; } = new();

    public WorkersOptions Workers { get; init; } = new();

    public StorageOptions Storage { get; init; } = new();

    public EngineOptions Engine { get; init; } = new();

    public ClusterOptions Cluster { get; init; } = new();

    public ExecutorOptions Executor { get; init; } = new();

    public ConnectorsOptions Connectors { get; init; } = new();

    public SecretsOptions Secrets { get; init; } = new();

    public RetryOptions Retry { get; init; } = new();

    public CompatOptions Compat { get; init; } = new();

    public SecurityOptions Security { get; init; } = new();

    public LogOptions Log { get; init; } = new();
}

/// <summary>Section <c>http</c>.</summary>
internal sealed record HttpOptions
{
    /// <summary>
    /// Where HTTP is served; 127.0.0.1:8080. Port 0 takes a free one. A wider address lets other machines in: see
    /// <see cref="SecurityOptions.AllowAnonymous"/>.
    /// </summary>
    public ListenAddress Listen { get; init; } = new("127.0.0.1", 8080);
}

/// <summary>Section <c>tcp</c>.</summary>
internal sealed record TcpOptions
{
    /// <summary>
    /// Where the wire protocol is served; 127.0.0.1:7070. Port 0 takes a free one. A wider address lets other machines
    /// in: see <see cref="SecurityOptions.AllowAnonymous"/>.
    /// </summary>
    public ListenAddress Listen { get; init; } = new("127.0.0.1", 7070);

    /// <summary>
    /// The longest frame; 4 MiB. More lets clients submit more plans at once, and a hostile one make the node hold as
    /// much for each of its connections.
    /// </summary>
    public int FrameBytesMax { get; init; } = Protocol.FrameHeader.LengthMaxDefault;

    /// <summary>
    /// How many requests of a connection may be unanswered; 256. More keeps one client busier, and takes memory.
    /// </summary>
    public int InFlightMax { get; init; } = 256;

    /// <summary>How many connections there may be; 2,048. Each takes memory and a file handle.</summary>
    public int ConnectionsMax { get; init; } = 2048;

    /// <summary>
    /// How many of them may come from one address; 256. Fewer keeps one machine from taking all; clients behind one
    /// gateway count together.
    /// </summary>
    public int ConnectionsPerAddressMax { get; init; } = 256;

    /// <summary>
    /// How long a connection may be silent; 1 minute. Longer keeps dead peers longer, shorter makes live ones talk
    /// more.
    /// </summary>
    public TimeSpan Idle { get; init; } = TimeSpan.FromMinutes(1);
}

/// <summary>Section <c>workers</c>.</summary>
internal sealed record WorkersOptions
{
    /// <summary>
    /// How long a task belongs to a worker that does not extend it; 30 s. Shorter gives the tasks of a dead worker back
    /// sooner, longer rides out longer cuts of the network.
    /// </summary>
    public TimeSpan Lease { get; init; } = TimeSpan.FromSeconds(30);
}

/// <summary>Section <c>storage</c>.</summary>
internal sealed record StorageOptions
{
    /// <summary>
    /// The SQLite file; karya-data/karya.db, from the working directory. It wants a local disk with honest syncs: every
    /// acknowledged request waits for one.
    /// </summary>
    public string Path { get; init; } = "karya-data/karya.db";

    public PostgresOptions Postgres { get; init; } = new();

    /// <summary>How long what has ended is kept; 7 days. Longer answers older questions and takes disk.</summary>
    public TimeSpan Retention { get; init; } = TimeSpan.FromDays(7);

    /// <summary>
    /// How long changes may be collected before they go to the tables; 500 ms. Longer writes less, since plans that end
    /// meanwhile are written once; shorter leaves less to replay after a crash.
    /// </summary>
    public TimeSpan ProjectionInterval { get; init; } = TimeSpan.FromMilliseconds(500);

    /// <summary>
    /// How many changed plans may wait for the tables before intake slows; 1,000,000. More rides out longer bursts and
    /// costs memory and time to recover.
    /// </summary>
    public int ProjectionLagMax { get; init; } = 1_000_000;
}

/// <summary>Section <c>storage.postgres</c>.</summary>
internal sealed record PostgresOptions
{
    /// <summary>
    /// How Npgsql finds the database, references resolved; empty (written <c>none</c>) keeps the store in the SQLite
    /// file. It holds a password: show <see cref="Database"/> instead.
    /// </summary>
    public string ConnectionString { get; init; } = "";

    /// <summary>The schema that Karya's tables live in; karya. Another lets several nodes share a database.</summary>
    public string Schema { get; init; } = "karya";

    /// <summary>The store is in Postgres, not in a file.</summary>
    public bool IsSet => ConnectionString.Length > 0;

    /// <summary><c>host:port/database</c>; only when <see cref="IsSet"/>.</summary>
    public string Database => Configuration.ConnectionString.Shown(ConnectionString);

    /// <summary>Without the password, wherever options are printed.</summary>
    public override string ToString() => IsSet ? $"{Database}, schema {Schema}" : Option.NoneText;
}

/// <summary>Section <c>engine</c>.</summary>
internal sealed record EngineOptions
{
    /// <summary>
    /// How many partitions the store is created with; 256, fixed from then on. More spreads finer over a cluster, and
    /// each costs a little at start.
    /// </summary>
    public int Partitions { get; init; } = 256;

    /// <summary>
    /// How many shard threads; null (written <c>auto</c>) is half of the cores, at least 1. More schedules more per
    /// second and leaves less of the machine to connectors and the store.
    /// </summary>
    public int? Shards { get; init; }

    /// <summary>
    /// How far ahead due tasks are held in memory; 10 minutes. Further reads the store less often, nearer takes less
    /// memory and starts faster.
    /// </summary>
    public TimeSpan Horizon { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>
    /// How many commands may wait per shard; 65,536. More absorbs longer bursts, fewer refuses sooner instead of
    /// answering late.
    /// </summary>
    public int InboxCapacity { get; init; } = 65_536;

    /// <summary>
    /// <see cref="Shards"/> with <c>auto</c> resolved for this machine; never more than there are partitions.
    /// </summary>
    public int ShardCount => Shards ?? Math.Clamp(Environment.ProcessorCount / 2, 1, Partitions);
}

/// <summary>Section <c>cluster</c>.</summary>
internal sealed record ClusterOptions
{
    /// <summary>
    /// Where the Redis is by which nodes find each other, references resolved; empty (written <c>none</c>) for a node
    /// that is alone. It may hold a password.
    /// </summary>
    public string Redis { get; init; } = "";

    /// <summary>
    /// The name of this node; null (written <c>auto</c>) is made of those of the machine and the process. A node that
    /// keeps its name gets its own partitions again after a restart.
    /// </summary>
    public string? Node { get; init; }

    /// <summary>
    /// The name or address by which other nodes and clients reach this one; null (written <c>auto</c>) is where it
    /// listens, and the machine's name when that is everywhere.
    /// </summary>
    public string? Advertise { get; init; }

    /// <summary>
    /// Where this node is reached that listens on a host and port: elsewhere if <see cref="Advertise"/> says so. A name
    /// or IPv4 address may have a port; one that has none, and any IPv6 address, stands for the host alone.
    /// </summary>
    public (string Host, int Port) Advertised(string host, int port)
    {
        if (Advertise is null)
            return (host, port);
        return Advertise.Split(':') is [var name, var text]
            && ushort.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out ushort other) && other > 0
                ? (name, other)
                : (Advertise, port);
    }

    /// <summary>The node is a member of a cluster.</summary>
    public bool IsSet => Redis.Length > 0;

    /// <summary>Without a password, wherever options are printed.</summary>
    public override string ToString() => IsSet ? RedisConfiguration.Shown(Redis) : Option.NoneText;

    /// <summary>
    /// How long a node may fire a partition's tasks without renewing its right to; 5 s. Shorter takes over sooner after
    /// a crash, longer rides out longer hiccups of the store.
    /// </summary>
    public TimeSpan Lease { get; init; } = TimeSpan.FromSeconds(5);
}

/// <summary>Section <c>executor</c>.</summary>
internal sealed record ExecutorOptions
{
    /// <summary>How many attempts run at once; 256. More hides slow targets, and costs sockets and memory.</summary>
    public int Concurrency { get; init; } = 256;

    /// <summary>
    /// How many of them may go to one target; 64. Fewer keeps one slow target from taking all places; more goes faster
    /// when there is only one.
    /// </summary>
    public int PerTarget { get; init; } = 64;

    /// <summary>
    /// How many attempts a second this node starts against one target; 0, for as many as there are. Chained plans and
    /// workers are not targets.
    /// </summary>
    public int TargetRate { get; init; }

    public BreakerOptions Breaker { get; init; } = new();

    /// <summary>
    /// How long running attempts may go on after a stop was asked for; 30 s. Longer avoids repeating them after the
    /// restart, shorter stops sooner.
    /// </summary>
    public TimeSpan Drain { get; init; } = TimeSpan.FromSeconds(30);
}

/// <summary>Section <c>executor.breaker</c>: when a target that is down is left alone.</summary>
internal sealed record BreakerOptions
{
    /// <summary>
    /// Failures in a row, of the kind that says that the target is down, after which its tasks wait instead of using
    /// their attempts up; 20. 0 never parks; fewer parks sooner, and after shorter hiccups.
    /// </summary>
    public int Failures { get; init; } = 20;

    /// <summary>
    /// Until it is tried again; 5 s, doubled up to a minute while it stays down. Shorter notices sooner that it is
    /// back, longer spares it.
    /// </summary>
    public TimeSpan Pause { get; init; } = TimeSpan.FromSeconds(5);
}

/// <summary>Section <c>retry</c>: the pauses between attempts of one task.</summary>
internal sealed record RetryOptions
{
    /// <summary>
    /// The pause after the first failed attempt; 1 s, doubled after each further one. Shorter heals sooner, longer
    /// spares the target.
    /// </summary>
    public TimeSpan Delay { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>
    /// The longest such pause; 1 minute. Longer rides out longer outages with the same number of attempts.
    /// </summary>
    public TimeSpan DelayMax { get; init; } = TimeSpan.FromMinutes(1);
}

/// <summary>Section <c>compat</c>: how <c>/v1</c> behaves towards clients of the original Karya.</summary>
internal sealed record CompatOptions
{
    /// <summary>
    /// Which pages in browsers may call; those served from loopback. <c>any</c> is what the original does.
    /// </summary>
    public CorsRule Cors { get; init; } = CorsRule.Loopback;

    /// <summary>
    /// Refuse plans that the original's strict mode refuses; true. False accepts more than clients may expect.
    /// </summary>
    public bool Strict { get; init; } = true;

    /// <summary>
    /// How many plans may be nested as chained actions in one submit; 2. More allows longer chains, and each level
    /// multiplies what one request can start.
    /// </summary>
    public int MaxChainedDepth { get; init; } = 2;
}

/// <summary>Whose pages may call the API from a browser.</summary>
internal enum CorsRule
{
    Loopback,
    Any,
}

/// <summary>Section <c>security</c>.</summary>
internal sealed record SecurityOptions
{
    /// <summary>
    /// Listen beyond loopback although nobody has to prove who they are; false: such a node refuses to start. True only
    /// where the network itself keeps strangers out.
    /// </summary>
    public bool AllowAnonymous { get; init; }
}

/// <summary>Section <c>log</c>.</summary>
internal sealed record LogOptions
{
    /// <summary>The lowest level that is written; info. debug and trace explain more and cost throughput.</summary>
    public LogLevel Level { get; init; } = LogLevel.Information;
}
