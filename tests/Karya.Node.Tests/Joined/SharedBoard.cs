using System.Collections.Concurrent;
using Karya.Node.Cluster;

namespace Karya.Node.Tests.Joined;

/// <summary>A board that nodes of one process share; each has its own place at it.</summary>
internal sealed class SharedBoard
{
    private readonly ConcurrentDictionary<string, Heartbeat> _heartbeats = new();
    private readonly ConcurrentBag<Place> _places = [];

    /// <summary>Nobody can be heard.</summary>
    public volatile bool IsDown;

    public IClusterBoard NewPlace()
    {
        var place = new Place(this);
        _places.Add(place);
        return place;
    }

    private sealed class Place(SharedBoard board) : IClusterBoard
    {
        public Action? Woken { get; set; }

        public Task<IReadOnlyList<Heartbeat>?> BeatAsync(Heartbeat mine, CancellationToken stopping)
        {
            if (board.IsDown)
                return Task.FromResult<IReadOnlyList<Heartbeat>?>(null);
            board._heartbeats[mine.Name] = mine;
            return Task.FromResult<IReadOnlyList<Heartbeat>?>([.. board._heartbeats.Values]);
        }

        public void WakeAll()
        {
            if (board.IsDown)
                return;
            foreach (var place in board._places)
                place.Woken?.Invoke();
        }
    }
}
