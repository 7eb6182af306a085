using System.Globalization;
using Karya.LocalServers;

namespace Karya.Chaos;

/// <summary>Nodes in processes of their own, a Postgres, a Redis, and what keeps them apart.</summary>
internal sealed class ChaosCluster : IAsyncDisposable
{
    private readonly ChaosOptions _options;
    private readonly List<Slot> _all = [];

    public ChaosCluster(ChaosOptions options)
    {
        _options = options;
        Postgres = PostgresServer.Start();
        Redis = RedisServer.Start();
        Leases = new LeaseLog($"{Postgres.ConnectionString};Search Path=karya;Pooling=false");
        for (int i = 0; i < options.Nodes; i++)
            Slots.Add(NewSlot());
    }

    public PostgresServer Postgres { get; }

    public RedisServer Redis { get; }

    public LeaseLog Leases { get; }

    /// <summary>Those that are there all the time.</summary>
    public List<Slot> Slots { get; } = [];

    /// <summary>All that there ever were.</summary>
    public IReadOnlyList<Slot> All => _all;

    /// <summary>The owners that live.</summary>
    public IReadOnlyList<string> Owners =>
        [.. _all.Where(slot => slot.Node is not null).Select(slot => slot.Lives[^1].Owner)];

    public async Task StartAsync()
    {
        foreach (var slot in Slots)
        {
            await slot.StartAsync(Leases);
            if (slot == Slots[0])
                await Leases.BeginAsync();
        }
    }

    public async Task<Slot> AddAsync()
    {
        var slot = NewSlot();
        await slot.StartAsync(Leases);
        return slot;
    }

    public async Task RemoveAsync(Slot slot)
    {
        await slot.StopAsync();
        await slot.DisposeAsync();
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var slot in _all)
            await slot.DisposeAsync();
        Redis.Dispose();
        Postgres.Dispose();
    }

    private Slot NewSlot()
    {
        var slot = new Slot(
            string.Create(CultureInfo.InvariantCulture, $"n{_all.Count + 1}"), _options, Postgres, Redis);
        _all.Add(slot);
        return slot;
    }
}
