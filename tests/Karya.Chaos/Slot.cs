using System.Globalization;
using Karya.LocalServers;
using Karya.Process.Tests;

namespace Karya.Chaos;

/// <summary>A life of a node, from the start of its process to its end.</summary>
/// <param name="Owner">As leases name it.</param>
internal sealed record Life(string Owner, long StartedMs)
{
    /// <summary>It was killed.</summary>
    public bool WasKilled { get; set; }
}

/// <summary>
/// The place of a node: a name that it keeps, and the networks between it and Postgres, Redis and the other nodes, each
/// of which breaks on command.
/// </summary>
internal sealed class Slot : IAsyncDisposable
{
    private readonly ChaosOptions _options;
    private readonly PostgresServer _postgres;
    private readonly int _tcpPort = LocalPorts.FindFree();
    private long _rssKib;

    public Slot(string name, ChaosOptions options, PostgresServer postgres, RedisServer redis)
    {
        Name = name;
        _options = options;
        _postgres = postgres;
        Database = new CuttingProxy(postgres.Host, postgres.Port);
        Redis = new CuttingProxy(redis.Host, redis.Port);
        Peers = new CuttingProxy("127.0.0.1", _tcpPort);
    }

    public string Name { get; }

    public CuttingProxy Database { get; }

    public CuttingProxy Redis { get; }

    /// <summary>By which other nodes and clients reach it.</summary>
    public CuttingProxy Peers { get; }

    public NodeProcess? Node { get; private set; }

    public List<Life> Lives { get; } = [];

    public string Address => string.Create(CultureInfo.InvariantCulture, $"127.0.0.1:{Peers.Port}");

    /// <summary>The most memory that a process of it had.</summary>
    public long RssMib => _rssKib / 1024;

    public async Task StartAsync(LeaseLog leases)
    {
        string database = _postgres.ConnectionString.Replace(
            string.Create(CultureInfo.InvariantCulture, $"Port={_postgres.Port}"),
            string.Create(CultureInfo.InvariantCulture, $"Port={Database.Port}"), StringComparison.OrdinalIgnoreCase);
        long startedMs = Clock.NowMs;
        Node = await NodeProcess.StartOnPostgresAsync(
            database,
            ("KARYA_CLUSTER__REDIS", string.Create(CultureInfo.InvariantCulture, $"127.0.0.1:{Redis.Port}")),
            ("KARYA_CLUSTER__NODE", Name),
            ("KARYA_CLUSTER__LEASE", string.Create(
                CultureInfo.InvariantCulture, $"{_options.Lease.TotalMilliseconds}ms")),
            ("KARYA_CLUSTER__ADVERTISE", Address),
            ("KARYA_ENGINE__SHARDS", "2"),
            ("KARYA_TCP__LISTEN", string.Create(CultureInfo.InvariantCulture, $"127.0.0.1:{_tcpPort}")));
        Lives.Add(new Life(await leases.OwnerAtAsync(Node.Http), startedMs));
    }

    public async Task KillAsync()
    {
        Measure();
        Lives[^1].WasKilled = true;
        await Node!.KillAsync();
        await EndAsync();
    }

    /// <summary>Stops it in order. Throws when it ends otherwise.</summary>
    public async Task StopAsync()
    {
        Measure();
        Node!.Signal("TERM");
        int exitCode = await Node.WaitForExitAsync();
        if (exitCode != 0)
            throw new InvalidOperationException($"{Name} ended with {exitCode}.\n{Node.Output}\n{Node.Errors}");
        await EndAsync();
    }

    /// <summary>Notes how much memory it has had so far.</summary>
    public void Measure()
    {
        if (Node is null)
            return;
        string? peak = File.ReadLines($"/proc/{Node.Id}/status")
            .FirstOrDefault(line => line.StartsWith("VmHWM:", StringComparison.Ordinal));
        if (peak is not null)
            _rssKib = Math.Max(_rssKib, long.Parse(peak.Split(' ')[^2], CultureInfo.InvariantCulture));
    }

    public void Heal()
    {
        Database.ReleaseAll();
        Redis.ReleaseAll();
        Peers.ReleaseAll();
    }

    public async ValueTask DisposeAsync()
    {
        await EndAsync();
        Database.Dispose();
        Redis.Dispose();
        Peers.Dispose();
    }

    private async Task EndAsync()
    {
        if (Node is not null)
            await Node.DisposeAsync();
        Node = null;
    }
}
