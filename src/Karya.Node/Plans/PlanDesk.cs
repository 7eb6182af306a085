using Karya.Engine;
using Karya.Engine.Journal;
using Karya.Engine.Shards;
using Karya.Node.Execution;
using Karya.Node.Storage;
using Karya.Protocol;

namespace Karya.Node.Plans;

/// <summary>What the desk has to know of the node's settings.</summary>
/// <param name="RetryDelayMs">The pause after a plan's first failed attempt; it doubles with each further one.</param>
internal sealed record DeskOptions(int PartitionCount, int RetryDelayMs, int RetryDelayMsMax)
{
    /// <summary>What plans may ask for.</summary>
    public ActionRules Rules { get; init; } = ActionRules.None;
}

/// <summary>
/// Serves requests on plans: turns each into a command for the shard that owns the plan and waits for its answer, or
/// reads the tables once they have caught up with everything acknowledged so far.
/// </summary>
/// <remarks>Thread-safe.</remarks>
internal sealed class PlanDesk : IPlanDesk, IDisposable
{
    private const int HistoryRowsMax = 10_000;
    private const int UpdateStripes = 64;

    /// <summary>More than nodes that change one plan at the same moment.</summary>
    private const int UpdateTriesMax = 50;

    /// <summary>Of a page on the wire: a frame holds more, and a page may end early.</summary>
    private const int PageBytesMax = 1024 * 1024;

    /// <summary>
    /// How long a request waits for a store that does not answer, before its client is told that the outcome is open.
    /// </summary>
    private static readonly TimeSpan ReplyTimeout = TimeSpan.FromSeconds(10);

    private readonly DeskOptions _options;
    private readonly StoreReads _reads;
    private readonly IReadOnlyList<Shard> _shards;
    private readonly IReadOnlyList<ShardLoop> _loops;
    private readonly TickClock _ticks;
    private readonly TimeProvider _clock;
    private readonly PlanIds _ids = new();
    private readonly SemaphoreSlim[] _updates;
    private readonly Forwarder? _forwarder;
    private readonly int[] _allPartitions;

    /// <param name="options">How plans are completed.</param>
    /// <param name="store">The store.</param>
    /// <param name="shards">Of this node.</param>
    /// <param name="loops">Their threads.</param>
    /// <param name="ticks">Store time.</param>
    /// <param name="clock">Measures waits.</param>
    /// <param name="forwarder">To other nodes; null when there are none.</param>
    public PlanDesk(
        DeskOptions options, IStore store, IReadOnlyList<Shard> shards, IReadOnlyList<ShardLoop> loops, TickClock ticks,
        TimeProvider clock, Forwarder? forwarder = null)
    {
        _options = options;
        _reads = new StoreReads(store, ReplyTimeout, clock);
        _shards = shards;
        _loops = loops;
        _ticks = ticks;
        _clock = clock;
        _forwarder = forwarder;
        _allPartitions = [.. Enumerable.Range(0, options.PartitionCount)];
        Submits = new SubmitDesk(options, _reads, shards, ticks, _ids, forwarder is null ? null : forwarder.IsHere);
        _updates = new SemaphoreSlim[UpdateStripes];
        for (int i = 0; i < UpdateStripes; i++)
            _updates[i] = new SemaphoreSlim(1);
    }

    /// <summary>For plans that come over the wire.</summary>
    public SubmitDesk Submits { get; }

    /// <summary>Questions to the store. They may be answered with what is older than what was acknowledged.</summary>
    public StoreReads Reads => _reads;

    public ValueTask<UserView> CreateUserAsync(string name, CancellationToken stopping)
    {
        long nowMs = _ticks.NowMs();
        var user = new UserView(new UserId(_ids.New(nowMs).Value), name, nowMs);
        return _reads.AskAsync(
            store =>
            {
                store.AddUser(user);
                return user;
            },
            stopping);
    }

    public ValueTask<UserView?> FindUserAsync(string name, CancellationToken stopping) =>
        _reads.AskAsync(store => store.FindUser(name), stopping);

    public async ValueTask<PlanView> SubmitAsync(PlanDraft draft, CancellationToken stopping)
    {
        long nowMs = _ticks.NowMs();
        return await SubmitAsync(draft, Submits.NewId(nowMs), PlanId.None, nowMs, stopping);
    }

    public async ValueTask<(PlanId Plan, bool Existed)> SubmitAsync(
        ReadOnlyMemory<byte> plan, string? key, bool isAccepted, CancellationToken stopping)
    {
        var submission = SubmitDesk.Read(plan.Span, _options.Rules, key);
        var command = Submits.Prepare(submission, PlanId.None);
        command.IsAccepted = isAccepted;
        var code = await PostAsync(await WithUserAsync(command, stopping), stopping);
        if (code != ReplyCode.AlreadyExists)
        {
            Check(code);
            return (command.Spec.Id, false);
        }

        return await Submits.IsSameAsync(command.Spec.Id, submission.Fingerprint, this, stopping)
            ? (command.Spec.Id, true)
            : throw KeyIsTaken(command.Spec.Id);
    }

    /// <summary>What the tables have of a plan, once they have caught up; null when there is none.</summary>
    public ValueTask<StoredPlan?> FindStoredAsync(PlanId id, CancellationToken stopping) => FindAsync(id, stopping);

    public static DeskException KeyIsTaken(PlanId id) => new(
        DeskError.Conflict,
        $"The key or id belongs to plan {id} already, which was submitted with other content. Use another one, or "
        + "send the same plan.");

    public async ValueTask<PlanView?> TriggerAsync(PlanId id, CancellationToken stopping)
    {
        var code = await PostAsync(NewCommand(CommandKind.Trigger, id), stopping);
        Check(code);
        if (code == ReplyCode.WrongState)
        {
            throw new DeskException(
                DeskError.WrongState,
                $"No task of plan {id} waits to run: it has ended, or its only task is running. Submit it again, or "
                + "replay its dead letter.");
        }

        return code == ReplyCode.NotFound ? null : await ViewChangedAsync(id, stopping);
    }

    /// <summary>
    /// Starts the plan of a chained action. The parent's task names the child, so a second attempt makes no second
    /// child.
    /// </summary>
    /// <returns>Null when the child is there, else why it is not.</returns>
    public async ValueTask<string?> SubmitChildAsync(Attempt attempt, PlanDraft draft, CancellationToken stopping)
    {
        int partition = PartitionHash.Of(attempt.Key.Plan.Value, _options.PartitionCount);
        var id = PlanIds.OfChild(attempt.Key, attempt.DueMs, partition, _options.PartitionCount);
        try
        {
            await CatchUpAsync(partition, stopping);
            if (await _reads.AskAsync(store => store.FindPlan(id), stopping) is null)
            {
                if (draft.Source is { } source)
                    await SubmitSourceAsync(source, id, attempt.Key.Plan, stopping);
                else
                    await SubmitAsync(draft, id, attempt.Key.Plan, _ticks.NowMs(), stopping);
            }

            return null;
        }
        catch (DeskException e) when (e.Error == DeskError.UserNotFound)
        {
            return $"User ({draft.User}) not found";
        }
        catch (DeskException e)
        {
            return e.Message;
        }
    }

    public async ValueTask<PlanView?> UpdateAsync(PlanId id, PlanChange change, CancellationToken stopping)
    {
        CommandBody.CheckRetries(change.RetriesMax ?? 0);

        // The new body is made from the old one. Updates of one plan that come here wait for each other; with those
        // that come to other nodes the shard finds out, see Command.MadeFrom.
        var stripe = _updates[(int)(TaskKey.Mix((ulong)id.Value) % UpdateStripes)];
        await stripe.WaitAsync(stopping);
        try
        {
            for (int i = 0; i < UpdateTriesMax; i++)
            {
                var code = await TryUpdateAsync(id, change, stopping);
                Check(code);
                if (code == ReplyCode.WrongState)
                {
                    throw new DeskException(
                        DeskError.WrongState,
                        $"Plan {id} runs by a cron expression, which has no period to change. Cancel it and submit "
                        + "another one.");
                }

                if (code != ReplyCode.Changed)
                    return code == ReplyCode.NotFound ? null : await ViewChangedAsync(id, stopping);
            }

            throw Overloaded();
        }
        finally
        {
            stripe.Release();
        }
    }

    private async ValueTask<ReplyCode> TryUpdateAsync(PlanId id, PlanChange change, CancellationToken stopping)
    {
        if (await FindAsync(id, stopping) is not { } stored)
            return ReplyCode.NotFound;
        var body = PlanBodyCodec.Read(stored.Body);
        body = body with
        {
            PeriodText = change.PeriodText ?? body.PeriodText,
            Hooks = change.Hooks ?? body.Hooks,
            IsWire = body.IsWire || change.IsWire,
        };
        var command = NewCommand(CommandKind.Update, id);
        command.Update = (change.PeriodMs is null ? 0 : PlanUpdate.Period)
            | (change.RetriesMax is null ? 0 : PlanUpdate.Attempts)
            | (change.Hooks is null ? 0 : PlanUpdate.Hooks);
        command.MadeFrom = BodyMark.Of(stored.Body);
        command.Spec.PeriodMs = change.PeriodMs ?? 0;
        command.Spec.AttemptsMax = CommandBody.AttemptsMax(change.RetriesMax ?? 0);
        CommandBody.Set(ref command, body);
        if (body.IsWire)
            CommandBody.CheckWire(command);

        // A client that gives up must not let the next update in before this one is decided.
        return await PostAsync(command, CancellationToken.None);
    }

    public async ValueTask<PlanView?> CancelAsync(PlanId id, CancellationToken stopping)
    {
        var code = await PostAsync(NewCommand(CommandKind.Cancel, id), stopping);
        Check(code);
        return code == ReplyCode.NotFound ? null : await ViewChangedAsync(id, stopping);
    }

    public async ValueTask<(PlanView Plan, TaskView Task)?> GetAsync(PlanId id, CancellationToken stopping)
    {
        if (await FindAsync(id, stopping) is not { } stored)
            return null;
        var memo = PlanMemo.Read(stored.Memo);
        var view = PlanViews.Of(stored, memo);
        if (PlanViews.LatestOpen(stored, memo) is { } open)
            return (view, open);
        var ended = await _reads.AskAsync(store => store.ListTasks(id, 1 + Limits.HooksPerPlanMax), stopping);
        for (int i = ended.Count - 1; i >= 0; i--)
        {
            if (ended[i].Key.Hook == 0)
                return (view, PlanViews.Of(ended[i], stored.Partition));
        }

        return (view, PlanViews.Removed(stored, memo));
    }

    public ValueTask<PlanSummary?> SummarizeAsync(PlanId id, CancellationToken stopping) =>
        SummarizeAsync(id, HistoryRowsMax, stopping);

    /// <param name="rowsMax">Of the ended tasks and of the errors, the latest.</param>
    public async ValueTask<PlanSummary?> SummarizeAsync(PlanId id, int rowsMax, CancellationToken stopping)
    {
        if (await FindAsync(id, stopping) is not { } stored)
            return null;
        var memo = PlanMemo.Read(stored.Memo);
        var tasks = new List<TaskView>();
        foreach (var row in await _reads.AskAsync(store => store.ListTasks(id, rowsMax), stopping))
            tasks.Add(PlanViews.Of(row, stored.Partition));
        PlanViews.AddOpen(tasks, stored, memo);
        var errors = new List<ErrorView>();
        foreach (var error in await _reads.AskAsync(store => store.ListErrors(id, rowsMax), stopping))
            errors.Add(new ErrorView(error.Key, error.Attempt, error.AtMs, error.Text, error.Failure));
        return new PlanSummary(PlanViews.Of(stored, memo), tasks, errors);
    }

    public async ValueTask<PlanPage> ListAsync(UserId user, int skip, int take, CancellationToken stopping)
    {
        await CatchUpAllAsync(stopping);
        var plans = new List<PlanView>();
        foreach (var stored in await _reads.AskAsync(store => store.ListPlans(user, skip, take), stopping))
            plans.Add(PlanViews.Of(stored, PlanMemo.Read(stored.Memo)));
        return new PlanPage(plans, await _reads.AskAsync(store => store.CountPlans(user), stopping));
    }

    /// <summary>A user's plans, newest first; those in one state only, if one is given.</summary>
    /// <param name="below">The <see cref="PlanList.Next"/> of the page before; null for the first.</param>
    /// <param name="take">Plans looked at: the page may hold fewer and not be the last.</param>
    public async ValueTask<PlanList> ListAsync(
        UserId user, PlanState? state, PlanId? below, int take, CancellationToken stopping)
    {
        await CatchUpAllAsync(stopping);
        var rows = await _reads.AskAsync(store => store.ListPlansBelow(user, below, take), stopping);
        var plans = new List<PlanView>();
        int bytes = 0;
        foreach (var stored in rows)
        {
            if (state is null || stored.State == state)
                plans.Add(PlanViews.Of(stored, PlanMemo.Read(stored.Memo)));
            bytes += stored.Body.Length;
            if (bytes > PageBytesMax)
                return new PlanList(plans, stored.Id);
        }

        return new PlanList(plans, rows.Count == take ? rows[^1].Id : null);
    }

    /// <summary>A plan's tasks, newest first, the open ones on the first page. Null: no such plan.</summary>
    public async ValueTask<TaskList?> ListTasksAsync(
        PlanId id, (long Occurrence, int Hook)? below, int take, CancellationToken stopping)
    {
        if (await FindAsync(id, stopping) is not { } stored)
            return null;
        var memo = PlanMemo.Read(stored.Memo);
        var open = PlanViews.OpenTasks(stored, memo);
        int rowsWanted = Math.Max(1, take - (below is null ? open.Count : 0));
        var rows = await _reads.AskAsync(store => store.ListTasksBelow(id, below, rowsWanted), stopping);
        var tasks = new List<TaskView>();
        if (below is null)
            tasks.AddRange(open);
        foreach (var row in rows)
        {
            if (!open.Exists(task => task.Key == row.Key)) // A replayed dead letter is there twice.
                tasks.Add(PlanViews.Of(row, stored.Partition));
        }

        return new TaskList(
            PlanViews.Of(stored, memo), tasks,
            rows.Count == rowsWanted ? (rows[^1].Key.Occurrence, rows[^1].Key.Hook) : null);
    }

    /// <summary>A plan's errors, newest first. Null: no such plan.</summary>
    public async ValueTask<ErrorList?> ListErrorsAsync(
        PlanId id, (long Occurrence, int Hook, int Attempt)? below, int take, CancellationToken stopping)
    {
        if (await FindAsync(id, stopping) is null)
            return null;
        int rowsWanted = Math.Min(take, PageBytesMax / Limits.ErrorBytesMax);
        var rows = await _reads.AskAsync(store => store.ListErrorsBelow(id, below, rowsWanted), stopping);
        return new ErrorList(
            [.. rows.Select(row => new ErrorView(row.Key, row.Attempt, row.AtMs, row.Text, row.Failure))],
            rows.Count == rowsWanted
                ? (rows[^1].Key.Occurrence, rows[^1].Key.Hook, rows[^1].Attempt)
                : null);
    }

    /// <summary>What a task's handler returned; null when there is nothing.</summary>
    public ValueTask<byte[]?> GetResultAsync(TaskKey key, CancellationToken stopping) =>
        AskCaughtUpAsync(key.Plan, store => store.FindResult(key), stopping);

    /// <summary>Asks the store when the tables have all that was acknowledged.</summary>
    public async ValueTask<T> AskCaughtUpAsync<T>(Func<IStore, T> question, CancellationToken stopping)
    {
        await CatchUpAllAsync(stopping);
        return await _reads.AskAsync(question, stopping);
    }

    /// <summary>The same of one plan: only its partition is waited for.</summary>
    public async ValueTask<T> AskCaughtUpAsync<T>(PlanId plan, Func<IStore, T> question, CancellationToken stopping)
    {
        await CatchUpAsync(PartitionHash.Of(plan.Value, _options.PartitionCount), stopping);
        return await _reads.AskAsync(question, stopping);
    }

    /// <summary>Gives a dead letter its attempts once more. False: no such dead letter (any more).</summary>
    public async ValueTask<bool> ReplayAsync(TaskKey key, CancellationToken stopping)
    {
        var found = await AskCaughtUpAsync(key.Plan, store => store.FindTask(key), stopping);
        if (found is not { State: PlanTaskState.Failure } row)
            return false;
        var command = NewCommand(CommandKind.Replay, key.Plan);
        command.Key = key;
        command.Attempt = row.Attempts;
        command.DueMs = row.DueMs;
        command.Spec.CreatedMs = row.CreatedMs;
        var code = await PostAsync(command, stopping);
        Check(code);
        return code == ReplyCode.Ok;
    }

    public void Dispose() => _reads.Dispose();

    private async ValueTask<PlanView> SubmitAsync(
        PlanDraft draft, PlanId id, PlanId parent, long nowMs, CancellationToken stopping)
    {
        CommandBody.CheckRetries(draft.RetriesMax);
        if (!await Submits.KnowUserAsync(draft.User, stopping))
            throw UserIsUnknown(draft.User);

        var command = NewCommand(CommandKind.Submit, id);
        command.Spec = new PlanSpec
        {
            Id = id,
            User = draft.User,
            Parent = parent,
            CreatedMs = nowMs,
            FirstDueMs = nowMs + draft.PeriodMs,
            PeriodMs = draft.PeriodMs,
            EndMs = draft.EndAtMs is { } end ? Math.Clamp(end, 0, Limits.InstantMsMax) : PlanSpec.NoEnd,
            Kind = draft.Recurring ? ScheduleKind.Every : ScheduleKind.Once,
            AttemptsMax = CommandBody.AttemptsMax(draft.RetriesMax),
            RetryDelayMs = _options.RetryDelayMs,
            RetryDelayMsMax = _options.RetryDelayMsMax,
            Lane = Lanes.Of(draft.Body.Action),
            IsPulled = draft.Body.Action is WorkerAction,
        };
        CommandBody.Set(ref command, draft.Body);
        var code = await PostAsync(command, stopping);
        if (code == ReplyCode.WrongState)
            throw ParentIsCancelled(parent);
        Check(code);
        return new PlanView(
            id, draft.User, parent, PlanState.Created, draft.Recurring, draft.EndAtMs, Math.Max(0, draft.RetriesMax),
            nowMs, nowMs, draft.Body)
        {
            PeriodMs = draft.PeriodMs,
        };
    }

    /// <summary>A plan inside an action of a plan that came over the wire.</summary>
    private async ValueTask SubmitSourceAsync(
        Protocol.Messages.PlanMessage source, PlanId id, PlanId parent, CancellationToken stopping)
    {
        var writer = new FrameWriter();
        (source with { Id = id.Value }).Write(writer);
        var command = Submits.Prepare(SubmitDesk.Read(writer.Written.Span, _options.Rules, key: null), parent);
        var code = await PostAsync(await WithUserAsync(command, stopping), stopping);
        if (code == ReplyCode.WrongState)
            throw ParentIsCancelled(parent);
        if (code != ReplyCode.AlreadyExists)
            Check(code);
    }

    private async ValueTask<Command> WithUserAsync(Command command, CancellationToken stopping)
    {
        bool isKnown = false;
        try
        {
            isKnown = await Submits.KnowUserAsync(command.Spec.User, stopping);
        }
        finally
        {
            if (!isKnown)
                SubmitDesk.Drop(command);
        }

        return isKnown ? command : throw UserIsUnknown(command.Spec.User);
    }

    private static DeskException UserIsUnknown(UserId user) =>
        new(DeskError.UserNotFound, $"User ({user}) not found");

    private static DeskException ParentIsCancelled(PlanId parent) =>
        new(DeskError.Invalid, $"The parent plan {parent} was cancelled.");

    private Command NewCommand(CommandKind kind, PlanId id) => new()
    {
        Kind = kind,
        Partition = PartitionHash.Of(id.Value, _options.PartitionCount),
        Key = new TaskKey(id, 0, 0),
        AtMs = _ticks.NowMs(),
        MayPassOn = _forwarder is not null,
    };

    private async ValueTask<ReplyCode> PostAsync(Command command, CancellationToken stopping)
    {
        var pending = new PendingReply();
        command.ReplyTo = pending;
        if (!ShardOf(command.Partition).Inbox.TryPost(command))
        {
            SubmitDesk.Drop(command);
            throw Overloaded();
        }

        try
        {
            return await pending.Code.WaitAsync(ReplyTimeout, _clock, stopping);
        }
        catch (TimeoutException)
        {
            throw new DeskException(
                DeskError.Unknown,
                "The store did not answer in time. The request may have been stored; look before you repeat it.");
        }
    }

    private static DeskException Overloaded() => new(
        DeskError.Overloaded, "The node has more requests than it can record at present. Try again later.",
        TimeSpan.FromSeconds(1));

    private static void Check(ReplyCode code)
    {
        switch (code)
        {
            case ReplyCode.Overloaded:
                throw Overloaded();
            case ReplyCode.NotOwner:
                throw new DeskException(DeskError.Unavailable, "The node is starting or stopping. Try again later.");
            case ReplyCode.Unknown:
                throw new DeskException(
                    DeskError.Unknown, "The store failed while it recorded the request. Look before you repeat it.");
        }
    }

    private async ValueTask<PlanView?> ViewAsync(PlanId id, CancellationToken stopping) =>
        await FindAsync(id, stopping) is { } stored ? PlanViews.Of(stored, PlanMemo.Read(stored.Memo)) : null;

    /// <summary>
    /// A plan that was changed. When it cannot be read, the change is done all the same, and said to be.
    /// </summary>
    private async ValueTask<PlanView?> ViewChangedAsync(PlanId id, CancellationToken stopping)
    {
        try
        {
            return await ViewAsync(id, stopping);
        }
        catch (DeskException e)
        {
            throw new DeskException(
                DeskError.Unknown,
                $"The change of plan {id} is done, and only the plan could not be read afterwards: {e.Message}")
            {
                IsDone = true,
            };
        }
    }

    private ValueTask<StoredPlan?> FindAsync(PlanId id, CancellationToken stopping) =>
        AskCaughtUpAsync(id, store => store.FindPlan(id), stopping);

    /// <summary>
    /// The tables are shared by all nodes: what has to have caught up is the node that has the partition.
    /// </summary>
    private ValueTask CatchUpAsync(int partition, CancellationToken stopping) => CatchUpAsync(
        _forwarder is null
            ? _loops[partition % _loops.Count].WhenTablesCaughtUpAsync()
            : _forwarder.CatchUpAsync(partition, stopping),
        stopping);

    private ValueTask CatchUpAllAsync(CancellationToken stopping) => CatchUpAsync(
        _forwarder is null
            ? Task.WhenAll(_loops.Select(loop => loop.WhenTablesCaughtUpAsync()))
            : _forwarder.CatchUpAsync(_allPartitions, stopping),
        stopping);

    private async ValueTask CatchUpAsync(Task caughtUp, CancellationToken stopping)
    {
        if (caughtUp.IsCompletedSuccessfully)
            return;
        try
        {
            await caughtUp.WaitAsync(ReplyTimeout, _clock, stopping);
        }
        catch (TimeoutException)
        {
            throw new DeskException(
                DeskError.Overloaded, "The tables are too far behind to answer. Try again later.",
                TimeSpan.FromSeconds(1));
        }
    }

    private Shard ShardOf(int partition) => _shards[partition % _shards.Count];
}
