using Karya.Simulation.Kernel;
using Karya.Simulation.Stores;

namespace Karya.Simulation.Nodes;

/// <summary>What a database, and the way to it, does to those who ask it.</summary>
internal sealed record StoreFaults
{
    /// <summary>How long a statement takes, on average.</summary>
    public double ServiceUs { get; init; } = 150;

    /// <summary>How long a commit takes, with its sync.</summary>
    public double CommitUs { get; init; } = 600;

    /// <summary>Answers that are lost though the work was done, of all.</summary>
    public double LostReplies { get; init; }

    /// <summary>Requests that lie around before they are taken, of all, and for how long.</summary>
    public double LateRequests { get; init; }

    public long LateUsMax { get; init; }

    /// <summary>What costs <see cref="CommitUs"/> costs this much, of all commits: a checkpoint, a busy disk.</summary>
    public double SlowCommits { get; init; }

    public long SlowUsMax { get; init; }
}

/// <summary>
/// The database as nodes see it: over a network, with time passing between the moments of a transaction. What it keeps,
/// and who may write what, is <see cref="SimDatabase"/>'s.
/// </summary>
/// <remarks>
/// <code>
/// node ── request, may be late ──► begin: locks, checks ── time ──► end: written ── answer, may be lost ──► node
///                                    └─ waits while the locks of others are in its way
/// </code>
/// </remarks>
internal sealed class DatabaseServer(
    World world, Network network, StoreFaults faults, DatabaseClock clock, int partitionCount, Counters counters)
{
    /// <summary>The server ends what takes longer, as statement_timeout has it: here it just does not.</summary>
    private const long StatementUsMax = 4_000_000;

    private readonly Prng _chance = world.Chance.Fork();
    private readonly List<Waiting> _waiting = [];
    private long _generation;

    public SimDatabase Data { get; } = new(partitionCount);

    public DatabaseClock Clock => clock;

    public Counters Counters => counters;

    public bool IsDown { get; private set; }

    /// <summary>No request is late, no answer lost, and no commit slow any more.</summary>
    public bool IsHealed { get; set; }

    /// <summary>How many times slower than usual.</summary>
    public double Slowness { get; set; } = 1;

    /// <summary>Ends every transaction that is under way, and takes no calls.</summary>
    public void GoDown()
    {
        IsDown = true;
        _generation++;
        _waiting.Clear();
        Data.AbortAll();
    }

    public void ComeUp() => IsDown = false;

    /// <summary>Asks for something that is done in one moment.</summary>
    public void Ask<T>(SimNode node, long timeoutUs, Func<SimDatabase, T> work, Action<Asked<T>> done) =>
        Call(node, timeoutUs, done, answer =>
        {
            var value = work(Data);
            LetTimePass(faults.ServiceUs, answer, () => value);
        });

    /// <summary>Asks for a transaction that holds locks from its beginning to its end.</summary>
    /// <param name="node">Who asks.</param>
    /// <param name="timeoutUs">When it gives up.</param>
    /// <param name="streams">Whose fence rows are locked.</param>
    /// <param name="isExclusive">Waits until nobody else holds that lock, and lets nobody past meanwhile.</param>
    /// <param name="begin">What is done when the locks are there.</param>
    /// <param name="end">What is done before they are given back.</param>
    /// <param name="done">Hears how it ended.</param>
    public void Transact<TBegun, T>(
        SimNode node, long timeoutUs, Func<IReadOnlyCollection<int>> streams, bool isExclusive,
        Func<SimDatabase, TBegun> begin, Func<SimDatabase, TBegun, T> end, Action<Asked<T>> done) =>
        Call(node, timeoutUs, done, answer =>
        {
            var waiting = new Waiting(streams, isExclusive, () =>
            {
                var begun = begin(Data);
                LetTimePass(CommitUs(), answer, () => end(Data, begun));
            });
            if (MayPass(waiting))
            {
                waiting.Go();
                return;
            }

            if (isExclusive)
                Counters.Count(Happening.ClaimWaitedForCommit);
            _waiting.Add(waiting);
        });

    private void Call<T>(SimNode node, long timeoutUs, Action<Asked<T>> done, Action<Action<T>> serve)
    {
        var life = node.Life;
        bool isOver = false;
        long sent = node.Clock.GetTimestamp();
        if (network.IsCut(node.Place, Place.Database) && _chance.Chance(0.5))
        {
            End(new Asked<T>(AskedEnd.NotDone)); // Nobody took the call.
            return;
        }

        long lateUs = 0;
        if (!IsHealed && faults.LateRequests > 0 && _chance.Chance(faults.LateRequests))
        {
            lateUs = _chance.Between(1000, faults.LateUsMax);
            Counters.Count(Happening.LateRequest);
        }

        node.After(timeoutUs, () => End(new Asked<T>(AskedEnd.Unknown)));
        world.After(lateUs, () => network.Send(node.Place, Place.Database, Arrive));

        void Arrive()
        {
            if (IsDown)
                network.Send(Place.Database, node.Place, () => End(new Asked<T>(AskedEnd.NotDone)));
            else
                serve(Answer);
        }

        void Answer(T value)
        {
            long shownUs = clock.NowUs;
            if (!IsHealed && faults.LostReplies > 0 && _chance.Chance(faults.LostReplies))
            {
                Counters.Count(Happening.LostReply);
                return;
            }

            network.Send(Place.Database, node.Place, () =>
            {
                if (isOver || node.Life != life)
                    return;
                node.LearnTime(sent, shownUs);
                End(new Asked<T>(AskedEnd.Answered, value));
            });
        }

        void End(Asked<T> asked)
        {
            if (isOver)
                return;
            isOver = true;
            node.After(0, life, () => done(asked));
        }
    }

    private void LetTimePass<T>(double meanUs, Action<T> answer, Func<T> end)
    {
        long generation = _generation;
        world.After(Math.Min(_chance.Exponential(meanUs * Slowness), StatementUsMax), () =>
        {
            if (generation != _generation)
                return; // It went down in between: what was begun is undone.
            var value = end();
            LetOthersPass();
            answer(value);
        });
    }

    private double CommitUs() =>
        !IsHealed && faults.SlowCommits > 0 && _chance.Chance(faults.SlowCommits)
            ? _chance.Between(1000, faults.SlowUsMax)
            : faults.CommitUs;

    private bool MayPass(Waiting wanted)
    {
        var streams = wanted.Streams();
        foreach (var other in _waiting)
        {
            if (other == wanted)
                break;
            if (other.IsExclusive && Overlaps(streams, other.Streams()))
                return false; // First come, first served: or a claim would wait for ever.
        }

        return !wanted.IsExclusive || !Data.HasOpenTransactions(streams);
    }

    private static bool Overlaps(IReadOnlyCollection<int> some, IReadOnlyCollection<int> others)
    {
        foreach (int stream in some)
        {
            if (others.Contains(stream))
                return true;
        }

        return false;
    }

    private void LetOthersPass()
    {
        for (int i = 0; i < _waiting.Count;)
        {
            var waiting = _waiting[i];
            if (!MayPass(waiting))
            {
                i++;
                continue;
            }

            _waiting.RemoveAt(i);
            waiting.Go();
        }
    }

    private sealed record Waiting(Func<IReadOnlyCollection<int>> Streams, bool IsExclusive, Action Go);
}
