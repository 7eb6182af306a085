using Karya.Simulation.Kernel;

namespace Karya.Simulation.Nodes;

/// <summary>
/// A machine on which a node runs, dies, sleeps and starts again. What happens on it happens in the life in which it
/// was planned, or not at all; while it sleeps nothing does, and afterwards everything that was missed.
/// </summary>
internal sealed class SimNode(World world, int number, MachineClock clock)
{
    private long _sleepsUntilUs;
    private long _sleepBehindRenewalUs;

    public int Number => number;

    public Place Place => Place.Node0 + number;

    public MachineClock Clock => clock;

    /// <summary>Which of its lives; counts up with every start and every end.</summary>
    public int Life { get; private set; }

    public NodeProcess? Process { get; private set; }

    public bool IsUp => Process is not null;

    public bool IsAsleep => world.NowUs < _sleepsUntilUs;

    public void After(long delayUs, Action action) => After(delayUs, Life, action);

    public void After(long delayUs, int life, Action action) => world.After(delayUs, () => Run(life, action));

    /// <summary>SIGSTOP: nothing runs, and the monotonic clock goes on.</summary>
    public void Sleep(long lengthUs) => _sleepsUntilUs = Math.Max(_sleepsUntilUs, world.NowUs + lengthUs);

    /// <summary>SIGSTOP when the next renewal is on its way: its answer lies around until the node wakes up.</summary>
    public void SleepBehindRenewal(long lengthUs) => _sleepBehindRenewalUs = lengthUs;

    public void HasSentRenewal()
    {
        if (_sleepBehindRenewalUs > 0)
            Sleep(_sleepBehindRenewalUs);
        _sleepBehindRenewalUs = 0;
    }

    public void Start(Func<SimNode, NodeProcess> start)
    {
        Life++;
        Process = start(this);
        Process.Start();
    }

    /// <summary>kill -9, or the end of an orderly stop.</summary>
    public void End()
    {
        Life++;
        Process?.Dispose();
        Process = null;
    }

    /// <summary>An answer of the database came: its clock showed this when it answered.</summary>
    public void LearnTime(long sent, long shownUs) => Process!.LearnTime(sent, shownUs);

    private void Run(int life, Action action)
    {
        if (Life != life)
            return;
        if (IsAsleep)
            world.At(_sleepsUntilUs, () => Run(life, action));
        else
            action();
    }
}
