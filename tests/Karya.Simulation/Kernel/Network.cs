namespace Karya.Simulation.Kernel;

/// <summary>Who may send something to whom.</summary>
internal enum Place
{
    Database = 0,
    Redis = 1,
    Targets = 2,
    Clients = 3,

    /// <summary>The first node; the others follow.</summary>
    Node0 = 4,
}

/// <summary>
/// Carries messages between places: late, out of order, twice, or not at all, as it is told to.
/// </summary>
/// <remarks>
/// A message is an action that happens where it arrives. Links have a direction: one that is cut in one direction only
/// lets requests arrive and no answers.
/// </remarks>
internal sealed class Network(World world, NetworkFaults faults, int placeCount)
{
    private readonly Prng _chance = world.Chance.Fork();
    private readonly int[] _cuts = new int[placeCount * placeCount];

    /// <summary>It loses, repeats and delays nothing any more.</summary>
    public bool IsHealed { get; set; }

    /// <summary>Messages that did not arrive.</summary>
    public long LostCount { get; private set; }

    public bool IsCut(Place from, Place to) => _cuts[Index(from, to)] > 0;

    /// <summary>Cuts one direction. Cuts add up: each is healed by itself.</summary>
    public void Cut(Place from, Place to) => _cuts[Index(from, to)]++;

    public void Heal(Place from, Place to) => _cuts[Index(from, to)]--;

    /// <summary>Sends; nobody is told when it does not arrive.</summary>
    /// <param name="from">Who.</param>
    /// <param name="to">To whom.</param>
    /// <param name="arrive">What happens there.</param>
    /// <param name="mayRepeat">It is no request over a connection, which would not let it through twice.</param>
    public void Send(Place from, Place to, Action arrive, bool mayRepeat = false)
    {
        if (IsCut(from, to) || (!IsHealed && _chance.Chance(faults.Loss)))
        {
            LostCount++;
            return;
        }

        Carry(from, to, arrive);
        if (mayRepeat && !IsHealed && faults.Duplication > 0 && _chance.Chance(faults.Duplication))
            Carry(from, to, arrive);
    }

    private void Carry(Place from, Place to, Action arrive)
    {
        long delayUs = 50 + _chance.Exponential(faults.LatencyUs);
        if (!IsHealed && faults.Delay > 0 && _chance.Chance(faults.Delay))
            delayUs += _chance.Between(1000, faults.DelayUsMax);
        world.After(delayUs, () =>
        {
            if (IsCut(from, to))
                LostCount++; // On its way when the link was cut.
            else
                arrive();
        });
    }

    private int Index(Place from, Place to) => (int)from * placeCount + (int)to;
}

/// <summary>What a network does to messages.</summary>
/// <param name="LatencyUs">On average, without faults.</param>
/// <param name="Loss">Of all messages.</param>
/// <param name="Duplication">Of all messages.</param>
/// <param name="Delay">How many are late, and with that out of order.</param>
/// <param name="DelayUsMax">How late.</param>
internal sealed record NetworkFaults(
    double LatencyUs = 150, double Loss = 0, double Duplication = 0, double Delay = 0, long DelayUsMax = 0);
