using Karya.Engine;

namespace Karya.Node.Workers;

/// <summary>All workers that serve one task name. Guarded by the desk's lock.</summary>
internal sealed class Pool(string name, uint lane)
{
    private int _next;

    public string Name { get; } = name;

    public uint Lane { get; } = lane;

    public List<Seat> Seats { get; } = [];

    /// <summary>
    /// Attempts that the engine handed out and for which there is no place. Each shard may use all credits, so there
    /// are at most shards - 1 times as many.
    /// </summary>
    public Queue<Dispatch> Backlog { get; } = new();

    public int Credits { get; private set; }

    public int Running { get; set; }

    /// <summary>Counts again. True when the sum has changed.</summary>
    public bool CountCredits()
    {
        int before = Credits;
        Credits = (int)Math.Min(int.MaxValue, Seats.Sum(seat => (long)seat.Credits));
        return Credits != before;
    }

    /// <summary>Workers take turns. Null: none has a place.</summary>
    public Seat? TakeSeat()
    {
        for (int looked = 0; looked < Seats.Count; looked++)
        {
            var seat = Seats[_next % Seats.Count];
            _next = (_next + 1) % Seats.Count;
            if (seat.HasPlace)
                return seat;
        }

        return null;
    }
}
