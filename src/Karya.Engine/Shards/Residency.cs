using Karya.Engine.Tables;

namespace Karya.Engine.Shards;

/// <summary>
/// Which plans are in memory: those due within the horizon, those that are changing, and those that a command needs.
/// The rest lies in the tables and is fetched in time.
/// </summary>
/// <remarks>
/// Owned by one shard. Why no plan is dropped while a load is under way: the load may have read the plan as it was
/// before its last change; were the plan dropped in between, that older state would come back to life.
/// </remarks>
internal sealed class Residency(ShardTables tables, Partition?[] partitions, long horizonMs, long nowMs)
{
    private const int RetryMs = 1000; // After a failed load: the store has trouble, asking faster does not help it.

    private readonly List<Parked> _parked = [];
    private readonly List<(int Row, PlanId Id)> _dropLater = [];
    private int _loadsUnderWay;
    private bool _isHorizonUnderWay;

    // The window that has to be asked for again; at first all of it.
    private long _failedFromMs = long.MinValue;
    private long _failedToMs = nowMs + horizonMs + horizonMs / 2;
    private long _retryAtMs = nowMs;

    /// <summary>Plans due before this are in memory, or are being loaded.</summary>
    public long UntilMs { get; private set; } = nowMs + horizonMs + horizonMs / 2;

    /// <summary>When <see cref="RequestHorizon"/> has something to do next.</summary>
    public long NextMs =>
        _isHorizonUnderWay ? long.MaxValue : _failedToMs != 0 ? _retryAtMs : UntilMs - horizonMs;

    /// <summary>Asks for the next window, half a horizon wide, once less than a horizon is left.</summary>
    public void RequestHorizon(long nowMs, EffectList effects)
    {
        if (nowMs < NextMs)
            return;

        long from = _failedToMs != 0 ? _failedFromMs : UntilMs;
        UntilMs = Math.Max(UntilMs, nowMs + horizonMs + horizonMs / 2);
        _failedFromMs = from;
        _failedToMs = 0;
        _isHorizonUnderWay = true;
        _loadsUnderWay++;
        effects.HorizonRequests.Add() = new HorizonRequest(from, UntilMs);
    }

    /// <summary>Keeps a command until the plan that it needs has been looked for in the tables.</summary>
    /// <returns>False: too many wait already.</returns>
    public bool TryPark(in Command command, bool withDescendants, EffectList effects)
    {
        if (_parked.Count >= Limits.ParkedCommandsMax)
            return false;
        _parked.Add(new Parked { Command = command, Loaded = [] });
        _loadsUnderWay++;
        effects.PlanRequests.Add() = new PlanRequest(command.Key.Plan, withDescendants);
        return true;
    }

    /// <summary>Takes a page over.</summary>
    /// <param name="page">Plans of owned partitions.</param>
    /// <param name="turn">Takes what interrupted attempts of cancelled plans come to.</param>
    /// <param name="parked">
    /// The command that waited for it, and what was found for it, when the page is its last.
    /// </param>
    /// <returns>True: a command can be applied now.</returns>
    public bool Take(LoadedPage page, Turn turn, out Parked parked)
    {
        parked = default;
        int index = page.Requested == PlanId.None ? -1 : IndexOfParked(page.Requested);
        foreach (ref var plan in page.Plans.Span)
        {
            var partition = partitions[plan.Partition]!;
            if (partition.State.Find(plan.Id) < 0)
            {
                partition.State.Load(plan.Id, page.Slice(plan.Memo), page.Slice(plan.Body));

                // What runs here is in memory, so what runs by the tables' account ran in another process.
                partition.StartAgain(partition.State.Find(plan.Id), turn);
            }

            if (index >= 0)
                _parked[index].Loaded.Add(plan.Id);
        }

        if (!page.IsLast)
            return false;

        _loadsUnderWay--;
        if (page.Requested == PlanId.None)
        {
            _isHorizonUnderWay = false;
            if (page.HasFailed)
            {
                _failedToMs = UntilMs;
                _retryAtMs = turn.NowMs + RetryMs;
            }
        }

        if (index < 0)
            return false;

        parked = _parked[index];
        parked.HasFailed = page.HasFailed;
        _parked.RemoveAt(index);
        return true;
    }

    /// <summary>
    /// After each page, when the command that waited for it has been applied, and not before: it may need what would
    /// be dropped.
    /// </summary>
    public void EndTake(in Parked parked)
    {
        if (parked.Loaded is not null)
        {
            var state = partitions[parked.Command.Partition]!.State;
            foreach (var plan in parked.Loaded)
            {
                int row = state.Find(plan);
                if (row >= 0)
                    _dropLater.Add((row, plan)); // If the command was refused nothing else would ever drop it.
            }
        }

        if (_loadsUnderWay == 0)
            DropPostponed();
    }

    /// <summary>These plans are in the tables as they are in memory: drops those that need not be in memory.</summary>
    public void DropUnneeded(List<int> rows)
    {
        foreach (int row in rows)
        {
            if (_loadsUnderWay > 0)
                _dropLater.Add((row, tables.Plans[row].Id));
            else
                DropIfUnneeded(row);
        }
    }

    private int IndexOfParked(PlanId plan)
    {
        for (int i = 0; i < _parked.Count; i++)
        {
            if (_parked[i].Command.Key.Plan == plan)
                return i;
        }

        return -1;
    }

    private void DropPostponed()
    {
        foreach (var (row, id) in _dropLater)
        {
            ref var plan = ref tables.Plans[row];
            if (plan.Id == id && partitions[plan.Partition]?.State.Find(id) == row)
                DropIfUnneeded(row);
        }

        _dropLater.Clear();
    }

    private void DropIfUnneeded(int row)
    {
        ref var plan = ref tables.Plans[row];
        if ((plan.Flags & (PlanFlags.Dirty | PlanFlags.Projecting)) != 0)
            return;

        foreach (int task in new TaskList(tables, plan.FirstTask))
        {
            ref var entry = ref tables.Tasks[task];
            bool isFar = entry.State == PlanTaskState.Created && !entry.IsReady && entry.AttemptDueMs >= UntilMs;
            if (!isFar)
                return;
        }

        partitions[plan.Partition]!.State.Drop(row);
    }

    /// <summary>A command that waits for a plan.</summary>
    internal struct Parked
    {
        public Command Command;
        public HashSet<PlanId> Loaded;
        public bool HasFailed;
    }
}
