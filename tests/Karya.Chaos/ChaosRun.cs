using Karya.Node.Storage.Postgres;
using Karya.Simulation.Judging;

namespace Karya.Chaos;

/// <summary>A run from its beginning to its judgement: work and faults, settling, and a look at all of it.</summary>
internal sealed class ChaosRun(ChaosOptions options, Action<string> say) : IAsyncDisposable
{
    /// <summary>Until what is late by then has run: retries, and whatever faults kept back.</summary>
    private static readonly TimeSpan Settling = TimeSpan.FromSeconds(12);

    private readonly ChaosCluster _cluster = new(options);
    private SinkProcess? _sink;
    private Load? _load;

    public async Task<ChaosReport> RunAsync()
    {
        say($"seed {options.Seed}, {options.Nodes} nodes");
        _sink = await SinkProcess.StartAsync();
        await _cluster.StartAsync();
        var nemesis = new Nemesis(options, _cluster, say);
        await nemesis.RecoverAsync("the start");
        _load = new Load([.. _cluster.Slots.Select(slot => slot.Address)], _sink.Authority, options.Seed);
        await _load.StartAsync();
        await Task.Delay(TimeSpan.FromSeconds(5), CancellationToken.None); // To compare with.
        await nemesis.RunAsync();
        await _load.StopAsync();
        long healedMs = Clock.NowMs;
        await Task.Delay(Settling, CancellationToken.None);
        foreach (var slot in _cluster.Slots)
            await slot.StopAsync();
        return await JudgeAsync(nemesis, healedMs);
    }

    public async ValueTask DisposeAsync()
    {
        if (_load is not null)
            await _load.DisposeAsync();
        await _cluster.DisposeAsync();
        _sink?.Dispose();
    }

    private async Task<ChaosReport> JudgeAsync(Nemesis nemesis, long healedMs)
    {
        using var store = new PostgresStore(
            new PostgresSettings(
                _cluster.Postgres.ConnectionString, "karya", 1, options.Lease, TimeSpan.FromDays(1)),
            TimeProvider.System);
        var final = FinalState.Read(store, [_load!.User]);
        var leases = await _cluster.Leases.ReadAsync();
        var evidence = new Evidence(_load.Ledger, final, leases, _cluster.All);
        var arrivals = _sink!.Read();
        var verdict = Judge.Check(evidence.Gather(arrivals, healedMs));
        var report = new ChaosReport(options, nemesis, _load, evidence, verdict, _cluster.All);
        report.CheckFailovers(leases);
        report.CheckCascades(arrivals);
        return report;
    }
}
