using Karya.Simulation.Judging;
using Karya.Simulation.Kernel;

namespace Karya.Simulation.Nodes;

/// <summary>Whom attempts call: they succeed, fail, or never answer, and take their time.</summary>
internal sealed class Targets(Cluster cluster)
{
    private readonly Prng _chance = cluster.World.Chance.Fork();

    /// <param name="node">Who calls.</param>
    /// <param name="attempt">What for.</param>
    /// <param name="done">Hears whether it succeeded, and else whether another try may help.</param>
    public void Call(SimNode node, SimAttempt attempt, Action<bool, bool> done)
    {
        var profile = cluster.Profile;
        int life = node.Life;
        bool hangs = !cluster.IsHealed && _chance.Chance(profile.TargetHangs);
        bool fails = !cluster.IsHealed && _chance.Chance(profile.TargetFailures);
        bool isRetryable = !_chance.Chance(0.1);
        long takesUs = 100 + _chance.Exponential(profile.TargetUs);
        if (hangs)
        {
            cluster.Counters.Count(Happening.TargetHung);
            return;
        }

        cluster.World.After(takesUs, () =>
        {
            cluster.Ledger.Ends.Add(new End(
                attempt.Key, attempt.Attempt, !fails, isRetryable, cluster.World.NowUs));
            node.After(0, life, () => done(!fails, isRetryable));
        });
    }
}
