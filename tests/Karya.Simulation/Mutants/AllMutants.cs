namespace Karya.Simulation.Mutants;

/// <summary>
/// All deliberate bugs. The names of the first 16 are those of the research that this simulation follows.
/// </summary>
internal static class AllMutants
{
    private const string Engine = "src/Karya.Engine/";
    private const string Node = "src/Karya.Node/";
    private const string Simulation = "tests/Karya.Simulation/";

    public static IReadOnlyList<Mutant> All { get; } =
    [
        new("no-epoch-check", "the store takes batches under any epoch",
            Simulation + "Stores/SimDatabase.cs",
            "bool isStale = _epochs[mark.Partition] != mark.Epoch;",
            "bool isStale = !MUTANT && _epochs[mark.Partition] != mark.Epoch;"),
        new("ack-before-commit", "a reply leaves before what it tells of is durable",
            Engine + "Turn.cs",
            "public void ReplyWhenDurable(in Command command) => ReplyWhenDurable(command, Position);",
            """
            public void ReplyWhenDurable(in Command command)
                {
                    if (MUTANT)
                        ReplyNow(command, ReplyCode.Ok);
                    else
                        ReplyWhenDurable(command, Position);
                }
            """),
        new("next-from-now", "the next occurrence is due a period after the last one ran",
            Engine + "PartitionState.cs",
            "ScheduleKind.Every => entry.DueMs + plan.PeriodMs,",
            "ScheduleKind.Every => (MUTANT ? record.AtMs : entry.DueMs) + plan.PeriodMs,"),
        new("no-lease-deadline", "an owner trusts its lease for ever",
            Node + "Cluster/LeaseTrust.cs",
            "public bool IsTrusted(long now) => now < Volatile.Read(ref _until);",
            "public bool IsTrusted(long now) =>\n        "
                + "now < Volatile.Read(ref _until) || (MUTANT && _until > long.MinValue);"),
        new("loads-only-future", "a new owner loads what will be due, and not what is",
            Engine + "Shards/Residency.cs",
            "new HorizonRequest(long.MinValue, UntilMs, _unread[0].Partition, Version);",
            "new HorizonRequest(MUTANT ? nowMs : long.MinValue, UntilMs, _unread[0].Partition, Version);"),
        new("no-idempotency", "a key does not decide a plan's id",
            Node + "Plans/SubmissionReader.cs",
            "if (id is null && key.IsEmpty)\n            return;",
            "if (id is null && (MUTANT || key.IsEmpty))\n            return;"),
        new("cancel-acked-early", "a cancel is acknowledged when it is taken",
            Simulation + "Nodes/RequestDesk.cs",
            "        var command = NewCommand(kind, plan);\n        command.ReplyTo = request.On(code =>",
            """
                    if (MUTANT && kind == CommandKind.Cancel)
                    {
                        request.Answer(new PlanSnapshot(
                            planValue, default, null, PlanStatus.Cancelled, new ScheduleMessage.After(0), 0, 0, 0,
                            new ContentMessage(
                                "", new Karya.Protocol.Messages.RestAction("GET", "", [], null, 0), [])));
                    }

                    var command = NewCommand(kind, plan);
                    command.ReplyTo = request.On(code =>
            """),
        new("unknown-is-failure", "a commit of unknown end is written again without asking",
            Node + "Storage/CommitPipeline.cs",
            "private void AnswerUnknown(string error, string? lost)\n    {",
            """
            private void AnswerUnknown(string error, string? lost)
                {
                    if (MUTANT)
                    {
                        Answer(CommitResult.Refused, error, lost);
                        return;
                    }

            """),
        new("check-then-write", "the epoch is checked without a lock, and written under later",
            Simulation + "Stores/SimDatabase.cs",
            "            if (streams.Contains(transaction.Stream))",
            "            if (!MUTANT && streams.Contains(transaction.Stream))"),
        new("local-clock", "due instants are judged by the node's own wall clock",
            Simulation + "Nodes/NodeProcess.cs",
            "Ticks = new TickClock(_clock);", "Ticks = new TickClock(MUTANT ? node.Clock : _clock);"),
        new("no-recheck", "the executor does not look again before it begins",
            Node + "Cluster/FiringGate.cs",
            "bool isTrusted = trust.IsTrusted(now);",
            "bool isTrusted = trust.IsTrusted(now);\n        if (MUTANT)\n            return GateAnswer.Begin;"),
        new("unknown-is-success", "a commit of unknown end counts as done",
            Node + "Storage/CommitPipeline.cs",
            "public void Answer(CommitResult result, string error, string? lost)\n    {",
            """
            public void Answer(CommitResult result, string error, string? lost)
                {
                    if (MUTANT && result == CommitResult.Unknown)
                        result = CommitResult.Committed;
            """),
        new("redis-lease", "a lease is over when Redis does not show its owner any more",
            Node + "Cluster/Reconciler.cs",
            "long freeMs = slot.Lease.IsReleased ? slot.SinceMs : slot.SinceMs + slot.Lease.LeaseMs;",
            """
            string? ownerName = slot.OwnerName;
                    bool looksDead = MUTANT && _isKnown && !_alive.Any(member => member.Name == ownerName);
                    long freeMs = slot.Lease.IsReleased || looksDead ? 0 : slot.SinceMs + slot.Lease.LeaseMs;
            """),
        new("claim-does-not-wait", "a lease is claimed although its owner may be alive",
            Node + "Cluster/Reconciler.cs",
            "return Math.Max(freeMs, slot.RetryMs);",
            "return MUTANT && IsWantedHere(partition) ? 0 : Math.Max(freeMs, slot.RetryMs);"),
        new("numbers-reused", "a node that starts again numbers its journal rows as in its last life",
            Simulation + "Nodes/NodeProcess.cs",
            "streams[i] = data.NewStream();", "streams[i] = MUTANT ? _node.Number * 2 + i : data.NewStream();"),
        new("refires-own-work", "what is in memory and runs is started again when the tables are read",
            Engine + "Shards/Residency.cs",
            "if (partition.State.Find(plan.Id) < 0)\n            {",
            "if (MUTANT && partition.State.Find(plan.Id) >= 0)\n                partition.StartAgain("
                + "partition.State.Find(plan.Id), turn);\n            "
                + "if (partition.State.Find(plan.Id) < 0)\n            {"),
        new("lease-on-wall-clock", "a lease is trusted by a clock that can be set",
            Simulation + "Kernel/Clocks.cs",
            "public long MonotonicMs => GetTimestamp() / TimeSpan.TicksPerMillisecond;",
            "public long MonotonicMs => (GetTimestamp() + (MUTANT ? WallOffsetUs * UnitsPerUs : 0)) "
                + "/ TimeSpan.TicksPerMillisecond;"),
        new("wheel-level", "a timer on a level boundary goes one level too low",
            Engine + "Timing/TimingWheel.cs",
            "return Math.Min(BitOperations.Log2(differing) / SlotLists.LevelBits, FarLevel);",
            "int level = Math.Min(BitOperations.Log2(differing) / SlotLists.LevelBits, FarLevel);\n"
                + "        return MUTANT && level > 0 && (dueTick & 0xFF) == 0 ? level - 1 : level;"),
        new("no-backoff", "a failed attempt is tried again at once",
            Engine + "Scheduling/RetryPolicy.cs",
            "long half = delay / 2;", "long half = delay / 2;\n        if (MUTANT)\n            return 0;"),
        new("starts-before-durable", "what is not durable yet is started",
            Engine + "Partition.cs",
            "if (entry.BornPosition > turn.DurablePosition)",
            "if (!MUTANT && entry.BornPosition > turn.DurablePosition)"),
        new("prune-early", "a journal row goes while the tables lack its last record",
            Node + "Storage/JournalRows.cs",
            "if (projected[i] < positions[i])", "if (projected[i] + (MUTANT ? 2 : 0) < positions[i])"),
        new("prune-after-loss", "rows that the next owner of a lost partition needs are removed",
            Node + "Storage/JournalHolds.cs",
            "public bool IsHeld => _partitions.Count > 0;",
            "public bool IsHeld => !MUTANT && _partitions.Count > 0;"),
        new("trust-from-answer", "a lease is trusted from when its renewal was answered",
            Simulation + "Nodes/NodeProcess.cs",
            "_reconciler.Renewed(sentMs, asked.Value!, _requests);",
            "_reconciler.Renewed(MUTANT ? _node.Clock.MonotonicMs : sentMs, asked.Value!, _requests);"),
        new("stale-page", "a page of the tables from before a partition went and came back is taken",
            Engine + "Shards/Residency.cs",
            "is not { } partition || partition.Version > page.Version)",
            "is not { } partition || (!MUTANT && partition.Version > page.Version))"),
        new("acks-what-was-lost", "replies of a lost partition leave when the rest of the turn is durable",
            Engine + "Shards/Ownership.cs",
            "commits.Fail(partition.Number, ReplyCode.Unknown, turn.Effects.Replies);",
            "if (!MUTANT)\n                    "
                + "commits.Fail(partition.Number, ReplyCode.Unknown, turn.Effects.Replies);"),
        new("move-restarts", "attempts that run while their partition moves are not handed over as running",
            Engine + "Shards/Ownership.cs",
            "partition.HandOver(closing.AwayUntilMs, turn);",
            "if (!MUTANT)\n                    partition.HandOver(closing.AwayUntilMs, turn);"),
        new("closed-too-soon", "a partition is released before all of it is durable",
            Engine + "Shards/Ownership.cs",
            "if (partition.State.OldestUnprojected != long.MaxValue || projection.Covers(partition.Number))",
            "if (!MUTANT && (partition.State.OldestUnprojected != long.MaxValue "
                + "|| projection.Covers(partition.Number)))"),
        new("forgets-skips", "occurrences that were missed are left out without a record",
            Engine + "PartitionState.cs",
            "entry.OccurrenceTo = record.OccurrenceTo;",
            "entry.OccurrenceTo = MUTANT ? record.Key.Occurrence : record.OccurrenceTo;"),
        new("no-cascade", "a cancel stops the plan and not its descendants",
            Engine + "Partition.cs",
            "if (row >= 0 && _state.CanGoOn(row))", "if (!MUTANT && row >= 0 && _state.CanGoOn(row))"),
        new("keeps-what-is-lost", "a partition that a renewal leaves out is kept",
            Node + "Cluster/Reconciler.cs",
            "if (isHeld && slot.ClaimedMs < sentMs && slot.RenewedMs != sentMs)",
            "if (!MUTANT && isHeld && slot.ClaimedMs < sentMs && slot.RenewedMs != sentMs)"),
        new("no-completion-hook", "hooks on completion are not made",
            Engine + "PartitionState.cs",
            "AddHookTasks(row, HookTrigger.OnCompletion, plan.LastOccurrence, atMs, bornPosition);",
            "if (!MUTANT)\n            "
                + "AddHookTasks(row, HookTrigger.OnCompletion, plan.LastOccurrence, atMs, bornPosition);"),
        new("cron-gap", "an occurrence inside the gap of summer time is left out",
            Engine + "Scheduling/CronSchedule.cs",
            "return next is null ? null :",
            """
            if (MUTANT && next is { } gap
                            && _zone.IsDaylightSavingTime(gap) != _zone.IsDaylightSavingTime(gap.AddHours(-2)))
                            next = _cron.GetNextOccurrence(gap, _zone);
                        return next is null ? null :
            """),
        new("gives-up-early", "a task is given up with its last attempt left",
            Engine + "Partition.cs",
            "bool goesOn = command.Retryable && entry.Attempts < entry.AttemptsMax",
            "bool goesOn = command.Retryable && entry.Attempts < entry.AttemptsMax - (MUTANT ? 1 : 0)"),
        new("failure-is-success", "a failure that is not tried again is recorded as a success",
            Engine + "Partition.cs",
            "if (command.Kind == CommandKind.AttemptFailed)",
            "if (command.Kind == CommandKind.AttemptFailed && (!MUTANT || command.Retryable))"),
        new("hook-on-each-failure", "a hook on failure runs after the first attempt that failed, too",
            Engine + "PartitionState.cs",
            "entry.FinishedMs = record.AtMs;\n                entry.AttemptDueMs = record.DueMs;",
            """
            entry.FinishedMs = record.AtMs;
                            if (MUTANT && entry is { Hook: 0, Attempts: 1 })
                                AddHookTasks(row, HookTrigger.OnFailure, entry.Occurrence, record.AtMs, bornPosition);
                            entry = ref tables.Tasks[task];
                            entry.AttemptDueMs = record.DueMs;
            """),
        new("ends-left-behind", "nobody records the ends of attempts when all nodes stop",
            Node + "Cluster/Reconciler.cs",
            "(IsLeaving && !HasEndsOf(partition))", "(IsLeaving && (MUTANT || !HasEndsOf(partition)))"),
        new("hook-tried-once-more", "a hook has an attempt more than it should",
            Engine + "PartitionState.cs",
            "entry.AttemptsMax = spec.AttemptsMax;", "entry.AttemptsMax = spec.AttemptsMax + (MUTANT ? 1 : 0);"),
    ];
}
