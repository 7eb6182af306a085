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
    private readonly List<(int Partition, long RetryAtMs)> _unread = []; // Granted, and their window was not read yet.
    private int _loadsUnderWay;
    private bool _isHorizonUnderWay;

    // The window that has to be asked for again; at first all of it.
    private long _failedFromMs = long.MinValue;
    private long _failedToMs = nowMs + horizonMs + horizonMs / 2;
    private long _retryAtMs = nowMs;

    /// <summary>How many partitions were granted so far, of those that came after the start.</summary>
    public long Version { get; private set; }

    /// <summary>Plans due before this are in memory, or are being loaded.</summary>
    public long UntilMs { get; private set; } = nowMs + horizonMs + horizonMs / 2;

    /// <summary>When <see cref="RequestHorizon"/> has something to do next.</summary>
    public long NextMs => Math.Min(
        _isHorizonUnderWay ? long.MaxValue : _failedToMs != 0 ? _retryAtMs : UntilMs - horizonMs,
        _unread.Count > 0 ? _unread[0].RetryAtMs : long.MaxValue);

    /// <summary>A partition was granted: its plans that are due within the horizon are wanted, too.</summary>
    /// <returns>Its version.</returns>
    public long Grant(int partition, long nowMs)
    {
        _unread.Insert(0, (partition, nowMs));
        return ++Version;
    }

    /// <summary>It is gone.</summary>
    public void Revoke(int partition, Turn turn)
    {
        _unread.RemoveAll(unread => unread.Partition == partition);
        for (int i = _parked.Count - 1; i >= 0; i--)
        {
            var command = _parked[i].Command;
            if (command.Partition != partition)
                continue;
            _parked.RemoveAt(i);
            turn.Decline(command);
        }
    }

    /// <summary>Asks for the next window, half a horizon wide, once less than a horizon is left.</summary>
    public void RequestHorizon(long nowMs, EffectList effects)
    {
        while (_unread.Count > 0 && _unread[0].RetryAtMs <= nowMs)
        {
            _loadsUnderWay++;
            effects.HorizonRequests.Add() =
                new HorizonRequest(long.MinValue, UntilMs, _unread[0].Partition, Version);
            _unread.RemoveAt(0);
        }

        if (_isHorizonUnderWay || nowMs < (_failedToMs != 0 ? _retryAtMs : UntilMs - horizonMs))
            return;

        long from = _failedToMs != 0 ? _failedFromMs : UntilMs;
        UntilMs = Math.Max(UntilMs, nowMs + horizonMs + horizonMs / 2);
        _failedFromMs = from;
        _failedToMs = 0;
        _isHorizonUnderWay = true;
        _loadsUnderWay++;
        effects.HorizonRequests.Add() = new HorizonRequest(
            from, UntilMs, HorizonRequest.AllPartitions, Version);
    }

    /// <summary>Keeps a command until the plan that it needs has been looked for in the tables.</summary>
    /// <returns>False: too many wait already.</returns>
    public bool TryPark(in Command command, bool withDescendants, EffectList effects)
    {
        if (_parked.Count >= Limits.ParkedCommandsMax)
            return false;
        _parked.Add(new Parked { Command = command, Version = Version, Loaded = [] });
        _loadsUnderWay++;
        effects.PlanRequests.Add() = new PlanRequest(command.Key.Plan, withDescendants, Version);
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
        int index = page.Requested == PlanId.None ? -1 : IndexOfParked(page);
        foreach (ref var plan in page.Plans.Span)
        {
            if (partitions[plan.Partition] is not { } partition || partition.Version > page.Version)
                continue; // Gone meanwhile, or gone and back.
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
        if (page.Partition != HorizonRequest.AllPartitions)
        {
            if (page.HasFailed && partitions[page.Partition] is { } one && one.Version <= page.Version)
                _unread.Add((page.Partition, turn.NowMs + RetryMs));
        }
        else if (page.Requested == PlanId.None)
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
            var state = partitions[parked.Command.Partition]?.State;
            foreach (var plan in parked.Loaded)
            {
                int row = state?.Find(plan) ?? -1;
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

    private int IndexOfParked(LoadedPage page)
    {
        for (int i = 0; i < _parked.Count; i++)
        {
            if (_parked[i].Command.Key.Plan == page.Requested && _parked[i].Version == page.Version)
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
        public long Version;
        public HashSet<PlanId> Loaded;
        public bool HasFailed;
    }
}
