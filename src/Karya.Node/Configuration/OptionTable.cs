using Karya.Engine;
using Karya.Protocol;

namespace Karya.Node.Configuration;

/// <summary>
/// The one table of all options: file, environment, the annotated example and the documentation are read by it or
/// compared with it. An option that is not here does not exist.
/// </summary>
internal static class OptionTable
{
    /// <summary>The option that moves the store from a file into Postgres.</summary>
    public const string PostgresKey = "storage.postgres.connectionString";

    /// <summary>The option that makes a node a member of a cluster.</summary>
    public const string RedisKey = "cluster.redis";

    /// <summary>
    /// Longest interval, and reason for the least horizon: a plan must reach the tables before the horizon drops it.
    /// </summary>
    private static readonly TimeSpan ProjectionIntervalMax = TimeSpan.FromSeconds(5);

    public static readonly IReadOnlyList<Option> All =
    [
        Option.Address(
            "http.listen", o => o.Http.Listen, (o, value) => o with { Http = o.Http with { Listen = value } }),
        .. Tcp(),
        Option.Duration(
            "workers.lease", TimeSpan.FromSeconds(1), TimeSpan.FromHours(1), o => o.Workers.Lease,
            (o, value) => o with { Workers = o.Workers with { Lease = value } }),
        .. Storage(),
        .. Engine(),
        .. Cluster(),
        .. Executor(),
        .. ConnectorTable.All,
        .. Secrets(),
        Option.Duration(
            "retry.delay", TimeSpan.FromMilliseconds(10), TimeSpan.FromDays(1), o => o.Retry.Delay,
            (o, value) => o with { Retry = o.Retry with { Delay = value } }),
        Option.Duration(
            "retry.delayMax", TimeSpan.FromMilliseconds(10), TimeSpan.FromDays(7), o => o.Retry.DelayMax,
            (o, value) => o with { Retry = o.Retry with { DelayMax = value } }),
        Option.Cors(
            "compat.cors", o => o.Compat.Cors, (o, value) => o with { Compat = o.Compat with { Cors = value } }),
        Option.Switch(
            "compat.strict", o => o.Compat.Strict,
            (o, value) => o with { Compat = o.Compat with { Strict = value } }),
        Option.Number(
            "compat.maxChainedDepth", 0, ProtocolLimits.ChainDepthMax - 1, o => o.Compat.MaxChainedDepth,
            (o, value) => o with { Compat = o.Compat with { MaxChainedDepth = value } }),
        Option.Switch(
            "security.allowAnonymous", o => o.Security.AllowAnonymous,
            (o, value) => o with { Security = o.Security with { AllowAnonymous = value } }),
        Option.Level("log.level", o => o.Log.Level, (o, value) => o with { Log = o.Log with { Level = value } }),
    ];

    private static readonly Dictionary<string, Option> ByKey = All.ToDictionary(option => option.Key);

    /// <summary>Every prefix of a key that is a section: <c>connectors</c>, <c>connectors.rest</c>.</summary>
    private static readonly HashSet<string> Sections = [.. All.SelectMany(option => SectionsOf(option.Key))];

    public static Option? Find(string key) => ByKey.GetValueOrDefault(key);

    public static bool IsSection(string key) => Sections.Contains(key);

    /// <summary>The names right below a section; of the whole file for an empty key.</summary>
    public static IEnumerable<string> NamesBelow(string section)
    {
        string prefix = section.Length == 0 ? "" : section + ".";
        return All.Where(option => option.Key.StartsWith(prefix, StringComparison.Ordinal))
            .Select(option => option.Key[prefix.Length..].Split('.')[0])
            .Distinct();
    }

    /// <summary>The option or section that was probably meant.</summary>
    public static string? NearestTo(string key)
    {
        string? nearest = NearestName.Of(key, [.. ByKey.Keys, .. Sections]);
        if (nearest is not null)
            return nearest;

        // The right name in the wrong section is no near miss by letters, but plain enough when only one option has it.
        string name = "." + key[(key.LastIndexOf('.') + 1)..];
        var namesakes = ByKey.Keys.Where(known => known.EndsWith(name, StringComparison.OrdinalIgnoreCase)).ToList();
        return namesakes.Count == 1 ? namesakes[0] : null;
    }

    private static Option[] Tcp() =>
    [
        Option.Address(
            "tcp.listen", o => o.Tcp.Listen, (o, value) => o with { Tcp = o.Tcp with { Listen = value } }),
        Option.Size(
            "tcp.frameBytesMax", 512 * 1024, 16 * 1024 * 1024, o => o.Tcp.FrameBytesMax,
            (o, value) => o with { Tcp = o.Tcp with { FrameBytesMax = value } }),
        Option.Number(
            "tcp.inFlightMax", 1, 65_536, o => o.Tcp.InFlightMax,
            (o, value) => o with { Tcp = o.Tcp with { InFlightMax = value } }),
        Option.Number(
            "tcp.connectionsMax", 1, 65_536, o => o.Tcp.ConnectionsMax,
            (o, value) => o with { Tcp = o.Tcp with { ConnectionsMax = value } }),
        Option.Number(
            "tcp.connectionsPerAddressMax", 1, 65_536, o => o.Tcp.ConnectionsPerAddressMax,
            (o, value) => o with { Tcp = o.Tcp with { ConnectionsPerAddressMax = value } }),
        Option.Duration(
            "tcp.idle", TimeSpan.FromSeconds(1), TimeSpan.FromHours(1), o => o.Tcp.Idle,
            (o, value) => o with { Tcp = o.Tcp with { Idle = value } }),
    ];

    private static Option[] Storage() =>
    [
        Option.FilePath(
            "storage.path", o => o.Storage.Path, (o, value) => o with { Storage = o.Storage with { Path = value } }),
        Option.Connection(
            PostgresKey, o => o.Storage.Postgres.ConnectionString,
            (o, value) => WithPostgres(o, o.Storage.Postgres with { ConnectionString = value })),
        Option.Schema(
            "storage.postgres.schema", o => o.Storage.Postgres.Schema,
            (o, value) => WithPostgres(o, o.Storage.Postgres with { Schema = value })),
        Option.Duration(
            "storage.retention", TimeSpan.FromMinutes(1), TimeSpan.FromDays(3650), o => o.Storage.Retention,
            (o, value) => o with { Storage = o.Storage with { Retention = value } }),
        Option.Duration(
            "storage.projectionInterval", TimeSpan.FromMilliseconds(1), ProjectionIntervalMax,
            o => o.Storage.ProjectionInterval,
            (o, value) => o with { Storage = o.Storage with { ProjectionInterval = value } }),
        Option.Number(
            "storage.projectionLagMax", 1000, 100_000_000, o => o.Storage.ProjectionLagMax,
            (o, value) => o with { Storage = o.Storage with { ProjectionLagMax = value } }),
    ];

    private static Option[] Engine() =>
    [
        Option.Number(
            "engine.partitions", 1, 4096, o => o.Engine.Partitions,
            (o, value) => o with { Engine = o.Engine with { Partitions = value } }),
        Option.NumberOrAuto(
            "engine.shards", 1, 256, o => o.Engine.Shards,
            (o, value) => o with { Engine = o.Engine with { Shards = value } }),
        Option.Duration(
            "engine.horizon", 2 * ProjectionIntervalMax, TimeSpan.FromDays(1), o => o.Engine.Horizon,
            (o, value) => o with { Engine = o.Engine with { Horizon = value } }),
        Option.Number(
            "engine.inboxCapacity", Limits.CommandsPerTurnMax, 1 << 24, o => o.Engine.InboxCapacity,
            (o, value) => o with { Engine = o.Engine with { InboxCapacity = value } }),
    ];

    private static Option[] Cluster() =>
    [
        Option.Redis(
            RedisKey, o => o.Cluster.Redis, (o, value) => o with { Cluster = o.Cluster with { Redis = value } }),
        Option.NameOrAuto(
            "cluster.node", o => o.Cluster.Node, (o, value) => o with { Cluster = o.Cluster with { Node = value } }),
        Option.NameOrAuto(
            "cluster.advertise", o => o.Cluster.Advertise,
            (o, value) => o with { Cluster = o.Cluster with { Advertise = value } }),
        Option.Duration(
            "cluster.lease", TimeSpan.FromSeconds(1), TimeSpan.FromMinutes(1), o => o.Cluster.Lease,
            (o, value) => o with { Cluster = o.Cluster with { Lease = value } }),
    ];

    private static Option[] Executor() =>
    [
        Option.Number(
            "executor.concurrency", 1, 65_536, o => o.Executor.Concurrency,
            (o, value) => o with { Executor = o.Executor with { Concurrency = value } }),
        Option.Number(
            "executor.perTarget", 1, 65_536, o => o.Executor.PerTarget,
            (o, value) => o with { Executor = o.Executor with { PerTarget = value } }),
        Option.Number(
            "executor.targetRate", 0, 1_000_000, o => o.Executor.TargetRate,
            (o, value) => o with { Executor = o.Executor with { TargetRate = value } }),
        Option.Number(
            "executor.breaker.failures", 0, 1_000_000, o => o.Executor.Breaker.Failures,
            (o, value) => WithBreaker(o, o.Executor.Breaker with { Failures = value })),
        Option.Duration(
            "executor.breaker.pause", TimeSpan.FromMilliseconds(100), TimeSpan.FromHours(1),
            o => o.Executor.Breaker.Pause, (o, value) => WithBreaker(o, o.Executor.Breaker with { Pause = value })),
        Option.Duration(
            "executor.drain", TimeSpan.Zero, TimeSpan.FromHours(1), o => o.Executor.Drain,
            (o, value) => o with { Executor = o.Executor with { Drain = value } }),
    ];

    private static Option[] Secrets() =>
    [
        Option.Text(
            "secrets.environment", Option.NoneText, "names with commas between them, each of which may end with *",
            text => OptionList.FirstMistake(text, JudgeVariable), o => o.Secrets.Environment,
            (o, value) => o with { Secrets = o.Secrets with { Environment = value } }),
        Option.Text(
            "secrets.folder", Option.NoneText, "a folder", JudgeFolder, o => o.Secrets.Folder,
            (o, value) => o with { Secrets = o.Secrets with { Folder = value } }),
    ];

    private static NodeOptions WithPostgres(NodeOptions options, PostgresOptions postgres) =>
        options with { Storage = options.Storage with { Postgres = postgres } };

    private static NodeOptions WithBreaker(NodeOptions options, BreakerOptions breaker) =>
        options with { Executor = options.Executor with { Breaker = breaker } };

    private static string? JudgeVariable(string text) =>
        text.TrimEnd('*').All(c => char.IsAsciiLetterOrDigit(c) || c == '_') && text.Count(c => c == '*') <= 1
            ? null
            : $"\"{Option.Shown(text)}\" is no name of a variable";

    private static string? JudgeFolder(string text) => Directory.Exists(text)
        ? null
        : $"\"{Option.Shown(text)}\" is no folder, or may not be read";

    private static IEnumerable<string> SectionsOf(string key)
    {
        for (int i = 0; i < key.Length; i++)
        {
            if (key[i] == '.')
                yield return key[..i];
        }
    }
}
