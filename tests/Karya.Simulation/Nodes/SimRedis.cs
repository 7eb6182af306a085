using Karya.Node.Cluster;
using Karya.Simulation.Kernel;

namespace Karya.Simulation.Nodes;

/// <summary>
/// Redis as nodes see it: heartbeats that everybody writes and reads, and wake-ups. Every answer may be late, old,
/// empty, or missing.
/// </summary>
internal sealed class SimRedis(World world, Network network, Func<IReadOnlyList<SimNode>> nodes)
{
    private readonly SortedDictionary<string, Heartbeat> _heartbeats = new(StringComparer.Ordinal);
    private List<Heartbeat>? _stale;

    public bool IsDown { get; set; }

    public void Flush() => _heartbeats.Clear();

    /// <summary>A replica that has stopped to follow took over: reads give what was there at this moment.</summary>
    public void FreezeReads() => _stale = [.. _heartbeats.Values];

    public void ThawReads() => _stale = null;

    /// <summary>Writes a heartbeat and reads all; no answer when something is in the way.</summary>
    public void Beat(SimNode node, Heartbeat mine, Action<IReadOnlyList<Heartbeat>> done)
    {
        int life = node.Life;
        network.Send(node.Place, Place.Redis, () =>
        {
            if (IsDown)
                return;
            _heartbeats[mine.Name] = mine;
            List<Heartbeat> answer = _stale ?? [.. _heartbeats.Values];
            network.Send(Place.Redis, node.Place, () => node.After(0, life, () => done(answer)));
        });
    }

    /// <summary>Tells all nodes to look.</summary>
    public void WakeAll(SimNode from) => network.Send(from.Place, Place.Redis, () =>
    {
        if (IsDown)
            return;
        foreach (var node in nodes())
        {
            int life = node.Life;
            network.Send(
                Place.Redis, node.Place, () => node.After(0, life, () => node.Process?.Wake()), mayRepeat: true);
        }

        world.Note($"wake-up of {from.Number}");
    });
}
