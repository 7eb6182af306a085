namespace Karya.Node.Configuration;

/// <summary>What options must satisfy together, each one being allowed by itself.</summary>
/// <param name="Keys">The options concerned; the mistake is reported where the first of them that was set was
/// set.</param>
/// <param name="Check">What is wrong, with the way out; null when nothing is.</param>
internal sealed record OptionRule(IReadOnlyList<string> Keys, Func<NodeOptions, string?> Check)
{
    public static readonly IReadOnlyList<OptionRule> All =
    [
        new(["executor.perTarget", "executor.concurrency"], PerTargetFitsConcurrency),
        new(["retry.delay", "retry.delayMax"], DelayFitsDelayMax),
        new(["engine.shards", "engine.partitions"], ShardsFitPartitions),
        new([OptionTable.RedisKey, OptionTable.PostgresKey], ClusterSharesItsStore),
        new(["connectors.email.host", "connectors.email.from"], MailHasASender),
        new(["connectors.email.password", "connectors.email.user"], o => PasswordHasAUser(
            "connectors.email", o.Connectors.Email.User, o.Connectors.Email.Password)),
        new(["connectors.kafka.password", "connectors.kafka.user"], o => PasswordHasAUser(
            "connectors.kafka", o.Connectors.Kafka.User, o.Connectors.Kafka.Password)),
        new(["tcp.listen", "http.listen"], PortsDiffer),
        new(["http.listen", "security.allowAnonymous"], o => StrangersAreWelcome("http.listen", o.Http.Listen, o)),
        new(["tcp.listen", "security.allowAnonymous"], o => StrangersAreWelcome("tcp.listen", o.Tcp.Listen, o)),
    ];

    private static string? PerTargetFitsConcurrency(NodeOptions options)
    {
        var executor = options.Executor;
        return executor.PerTarget <= executor.Concurrency
            ? null
            : $"executor.perTarget ({executor.PerTarget}) exceeds executor.concurrency ({executor.Concurrency}); " +
              "one target cannot take more places than there are. Lower the first or raise the second.";
    }

    private static string? DelayFitsDelayMax(NodeOptions options)
    {
        var retry = options.Retry;
        return retry.Delay <= retry.DelayMax
            ? null
            : $"retry.delay ({Quantity.ShowDuration(retry.Delay)}) exceeds retry.delayMax " +
              $"({Quantity.ShowDuration(retry.DelayMax)}). Lower the first or raise the second.";
    }

    private static string? ShardsFitPartitions(NodeOptions options)
    {
        var engine = options.Engine;
        return engine.ShardCount <= engine.Partitions
            ? null
            : $"engine.shards ({engine.ShardCount}) exceeds engine.partitions ({engine.Partitions}); a shard without " +
              "a partition has nothing to do. Lower the first or raise the second.";
    }

    private static string? ClusterSharesItsStore(NodeOptions options) =>
        !options.Cluster.IsSet || options.Storage.Postgres.IsSet
            ? null
            : $"{OptionTable.RedisKey} makes this node a member of a cluster, and its store is a file, which nodes " +
              $"cannot share. Set {OptionTable.PostgresKey}, or leave out {OptionTable.RedisKey}.";

    private static string? MailHasASender(NodeOptions options)
    {
        var email = options.Connectors.Email;
        return (email.Host.Length > 0) == (email.From.Length > 0)
            ? null
            : "connectors.email.host and connectors.email.from belong together: who takes the mail, and who sends it. "
              + "Set both, or none.";
    }

    private static string? PasswordHasAUser(string section, string user, string password) =>
        (user.Length > 0) == (password.Length > 0)
            ? null
            : $"{section}.user and {section}.password belong together. Set both, or none.";

    private static string? PortsDiffer(NodeOptions options)
    {
        int port = options.Http.Listen.Port;
        return port == 0 || port != options.Tcp.Listen.Port
            ? null
            : $"http.listen ({options.Http.Listen}) and tcp.listen ({options.Tcp.Listen}) want the same port. " +
              "Give one of them another port.";
    }

    private static string? StrangersAreWelcome(string key, ListenAddress listen, NodeOptions options) =>
        listen.IsLoopback || options.Security.AllowAnonymous
            ? null
            : $"{key}: {listen} lets other machines in, and nobody has to prove who they are. Listen on " +
              $"127.0.0.1:{listen.Port}, or set security.allowAnonymous to true if the network itself keeps " +
              "strangers out.";
}
