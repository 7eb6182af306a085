using CsCheck;
using Karya.Protocol.Messages;

namespace Karya.Protocol.Tests;

/// <summary>Any message that an honest peer may send, with a preference for the edges.</summary>
internal static class RandomMessages
{
    private static readonly Gen<UInt128> Uuids = Gen.Select(Gen.ULong, Gen.ULong, (a, b) => new UInt128(a, b));
    private static readonly Gen<UInt128?> UuidsOrNil = OrNil(Uuids);
    private static readonly Gen<Guid> Guids = Uuids.Select(Protocol.Uuids.ToGuid);
    private static readonly Gen<string> Texts = Gen.OneOf(
        Gen.Char['a', 'z'].Array[0, 40].Select(letters => new string(letters)),
        Gen.Char['\u0001', '\uD7FF'].Array[0, 40].Select(letters => new string(letters)),
        Gen.Const("😀"));

    private static readonly Gen<string?> TextsOrNil = OrNull(Texts);
    private static readonly Gen<string> Words = Gen.OneOf(
        Gen.Const("timeout"), Gen.Const("api.example.com:8080"), Gen.Const(""));
    private static readonly Gen<byte[]> Binaries = Gen.OneOf(Gen.Byte.Array[0, 60], Gen.Byte.Array[250, 300]);
    private static readonly Gen<byte[]?> BinariesOrNil = OrNull(Binaries);
    private static readonly Gen<byte[]?> Cursors = OrNull(Gen.Byte.Array[0, 64]);
    private static readonly Gen<long> Longs = LongsIn(long.MinValue, long.MaxValue);
    private static readonly Gen<long> Counts = LongsIn(0, long.MaxValue);
    private static readonly Gen<int> Ints = IntsIn(0, int.MaxValue);
    private static readonly Gen<long> Durations = LongsIn(1, ProtocolLimits.DurationMsMax);
    private static readonly Gen<long> Timeouts = LongsIn(0, ProtocolLimits.DurationMsMax);
    private static readonly Gen<long> Instants = LongsIn(0, ProtocolLimits.InstantMsMax);
    private static readonly Gen<int> Retries = IntsIn(0, ProtocolLimits.RetriesMax);
    private static readonly Gen<Durability> Durabilities = Gen.Enum<Durability>();

    private static readonly Gen<ScheduleMessage> Schedules = Gen.OneOf<ScheduleMessage>(
        Timeouts.Select(ms => new ScheduleMessage.After(ms)),
        Instants.Select(ms => new ScheduleMessage.At(ms)),
        Gen.Select(Durations, OrNil(Instants), OrNil(Instants), (period, first, end) =>
            new ScheduleMessage.Every(period, first, end)),
        Gen.Select(Texts, OrNil(Instants), (text, end) => new ScheduleMessage.Cron(
            text[..Math.Min(text.Length, 20)], "Europe/Berlin", end)));

    private static readonly Gen<PolicyMessage> Policies = Gen.Select(
        Retries, OrNil(LongsIn(1, 86_400_000)), OrNil(LongsIn(1, 86_400_000)), Gen.Enum<MissedRuns>(),
        (retries, delay, delayMax, missed) => new PolicyMessage(retries, delay, delayMax, missed));

    private static readonly Gen<PlanMessage> Plans = PlansOf(depth: 3);

    private static readonly Gen<PlanSnapshot> Snapshots = Gen.Select(
        Gen.Select(Uuids, Uuids, UuidsOrNil), Gen.Enum<PlanStatus>(), Schedules, Ints, Longs, Longs, ContentsOf(2),
        (ids, status, schedule, retries, created, updated, content) => new PlanSnapshot(
            ids.Item1, ids.Item2, ids.Item3, status, schedule, retries, created, updated, content));

    private static readonly Gen<TaskSnapshot> Tasks = Gen.Select(
        Guids, Gen.Select(Counts, Counts), Gen.Select(Ints, Ints, Ints), Gen.Enum<PlanTaskStatus>(),
        Gen.Select(Longs, Longs, OrNil(Longs), OrNil(Longs)), OrNil(Gen.Double.Unit), TextsOrNil,
        (id, occurrence, small, status, at, progress, note) => new TaskSnapshot(
            id, occurrence.Item1, small.Item1, occurrence.Item2, small.Item2, status, at.Item1, at.Item2, at.Item3,
            at.Item4, small.Item3, progress, note));

    private static readonly Gen<ErrorSnapshot> Errors = Gen.Select(
        Counts, Ints, Ints, Longs, Texts, Words,
        (occurrence, hook, attempt, at, text, failure) =>
            new ErrorSnapshot(occurrence, hook, attempt, at, text, failure));

    private static readonly Gen<DeadLetterFilter> Filters = Gen.Select(
        UuidsOrNil, UuidsOrNil, OrNull(Words), OrNull(Words), OrNull(Words), OrNil(Longs), OrNil(Longs),
        (user, plan, connector, target, failure, since, until) =>
            new DeadLetterFilter(user, plan, connector, target, failure, since, until));

    private static readonly Gen<DeadLetterSnapshot> Letters = Gen.Select(
        Gen.Select(Guids, Uuids, Uuids), Gen.Select(Counts, Ints, Ints), Gen.Select(Texts, Words, Words), Longs,
        OrNil(Longs), Texts,
        (ids, counts, words, due, failed, error) => new DeadLetterSnapshot(
            ids.Item1, ids.Item2, counts.Item1, counts.Item2, ids.Item3, words.Item1, words.Item2, words.Item3,
            words.Item2, counts.Item3, due, failed, error));

    private static readonly Gen<DeadLetterVerb> Verbs = Gen.Enum<DeadLetterVerb>();

    private static readonly Gen<OperationSnapshot> Operations = Gen.Select(
        Guids, Gen.Select(Verbs, Filters), Gen.Enum<OperationState>(), Gen.Select(Gen.Bool, Gen.Bool),
        Gen.Select(Counts, Counts, Counts, Counts), Gen.Select(Longs, Longs), TextsOrNil,
        (id, what, state, flags, counts, at, note) => new OperationSnapshot(
            id, what.Item1, what.Item2, state, flags.Item1, counts.Item1, counts.Item2, counts.Item3, counts.Item4,
            at.Item1, at.Item2, flags.Item2, "node", note));

    private static readonly Gen<UserSnapshot> Users = Gen.Select(Uuids, Texts, Longs, (id, name, created) =>
        new UserSnapshot(id, name, created));

    private static readonly Gen<PartitionMap> Maps =
        from version in Counts
        from nodes in Gen.Select(Texts, IntsIn(0, 65_535), (host, port) => new NodeEndpoint(host, port)).Array[1, 20]
        from owners in Gen.Int[0, nodes.Length - 1].Array[1, 300]
        select new PartitionMap(version, nodes, owners);

    private static readonly Gen<ErrorMessage> Refusals = Gen.Select(
        IntsIn(0, 65_535), Texts, TextsOrNil, OrNil(Counts),
        (code, text, field, retryAfter) => new ErrorMessage((ErrorCode)code, "NAME", text, field, retryAfter));

    private static readonly Gen<SubmitResult> Results = Gen.OneOf(
        Gen.Select(Uuids, Gen.Bool, (plan, existed) => new SubmitResult(plan, existed, null)),
        Refusals.Select(error => new SubmitResult(default, false, error)));

    private static readonly Gen<ulong[]> Deliveries = Gen.OneOf(Gen.ULong, Gen.ULong[0, 300]).Array[0, 40];

    private static readonly Gen<DeliveryEnd> Ends = Gen.Select(
        Gen.ULong, Gen.Enum<DeliveryOutcome>(), BinariesOrNil, TextsOrNil, LongsIn(0, 3_600_000),
        (id, outcome, result, error, retryAfter) => new DeliveryEnd(id, outcome, result, error, retryAfter));

    /// <summary>By the name of the type, for all types.</summary>
    public static readonly IReadOnlyDictionary<string, Gen<Sample>> All = new[]
    {
        Kind(Gen.Select(IntsIn(0, 255), IntsIn(0, 255), Texts, TextsOrNil, (min, max, client, token) =>
            new Hello(min, max, client, token))),
        Kind(Gen.Select(IntsIn(0, 255), Texts, Texts, Counts, Limits(), Maps, (version, node, built, at, limits, map) =>
            new Welcome(version, node, built, at, limits, map))),
        Kind(Gen.Const(new Ping())),
        Kind(Counts.Select(at => new Pong(at))),
        Kind(Gen.Select(Texts, Counts, (reason, drain) => new GoingAway(reason, drain))),
        Kind(Refusals),
        Kind(Gen.Const(new MapRequest())),
        Kind(Maps.Select(map => new MapReply(map))),
        Kind(Maps.Select(map => new MapChanged(map))),
        Kind(Gen.Select(Uuids, OrNil(Durations), OrNil(Retries), OrNull(HooksOf(2)), (id, period, retries, hooks) =>
            new UpdateRequest(id, period, retries, hooks))),
        Kind(Snapshots),
        Kind(Uuids.Select(id => new CancelRequest(id))),
        Kind(Snapshots.Select(plan => new CancelReply(plan))),
        Kind(Uuids.Select(id => new TriggerRequest(id))),
        Kind(Snapshots.Select(plan => new TriggerReply(plan))),
        Kind(Uuids.Select(id => new GetRequest(id))),
        Kind(Gen.Select(Snapshots, Tasks, (plan, task) => new PlanDetails(plan, task))),
        Kind(Uuids.Select(id => new SummaryRequest(id))),
        Kind(Gen.Select(Snapshots, Tasks.Array[0, 4], Errors.Array[0, 4], (plan, tasks, errors) =>
            new SummaryReply(plan, tasks, errors))),
        Kind(Gen.Select(Uuids, Gen.Enum<PlanStatus>(), IntsIn(1, 1000), Cursors, (user, status, limit, cursor) =>
            new ListRequest(user, status, limit, cursor))),
        Kind(Gen.Select(Snapshots.Array[0, 4], Cursors, (plans, next) => new ListReply(plans, next))),
        Kind(Gen.Select(Uuids, IntsIn(1, 1000), Cursors, (id, limit, cursor) => new TasksRequest(id, limit, cursor))),
        Kind(Gen.Select(Tasks.Array[0, 20], Cursors, (tasks, next) => new TasksReply(tasks, next))),
        Kind(Gen.Select(Uuids, IntsIn(1, 1000), Cursors, (id, limit, cursor) => new ErrorsRequest(id, limit, cursor))),
        Kind(Gen.Select(Errors.Array[0, 20], Cursors, (errors, next) => new ErrorsReply(errors, next))),
        Kind(Gen.Select(Uuids, LongsIn(1, long.MaxValue), IntsIn(0, 32), (id, occurrence, hook) =>
            new ResultRequest(id, occurrence, hook))),
        Kind(BinariesOrNil.Select(result => new ResultReply(result))),
        Kind(Gen.Const(new StatsRequest())),
        Kind(Gen.Bool.Select(ownOnly => new ClusterStatusRequest(ownOnly))),
        Kind(Gen.Select(Gen.Int[0, 255], Gen.Bool, (epoch, isMoving) => new ClusterStatusReply(
            [
                new NodeStatus(
                    "a", "1f", new NodeEndpoint("host", epoch), "http://host/", "1", NodeState.Draining, epoch, 0,
                    -epoch, isMoving ? epoch : null, null, epoch, epoch, epoch, isMoving ? "trouble" : null),
            ],
            [new PartitionStatus(isMoving ? null : 0, epoch, isMoving)]))),
        Kind(Gen.Bool.Select(isOn => new DrainRequest("node", isOn))),
        Kind(Gen.Const(new DrainReply())),
        Kind(Gen.Bool.Select(isTest => new ConnectorsRequest(isTest ? "kafka" : null))),
        Kind(Gen.Bool.Array[0, 5].Select(missing => new ConnectorsReply(
            [
                .. missing.Select(isMissing => new ConnectorStatus(
                    "slack", isMissing ? ConnectorState.Missing : ConnectorState.Working, isMissing ? null : "there",
                    isMissing ? "no token" : null)),
            ]))),
        Kind(Gen.Select(Filters, Gen.Bool, IntsIn(1, 1000), Cursors,
            (filter, isGrouped, limit, cursor) => new DeadLettersRequest(filter, isGrouped, limit, cursor))),
        Kind(Gen.Select(Letters.Array[0, 3], Letters, Counts, Cursors,
            (letters, example, count, next) => new DeadLettersReply(
                letters,
                [new DeadLetterGroup(example.Connector, example.Target, example.Failure, count, count, example)],
                count, next))),
        Kind(Gen.Select(Uuids, IntsIn(1, 9), IntsIn(0, 32), Verbs, (plan, occurrence, hook, verb) =>
            new DeadLetterRequest(plan, occurrence, hook, verb))),
        Kind(Gen.Const(new DeadLetterReply())),
        Kind(Gen.Select(Verbs, Filters, Gen.Bool, IntsIn(0, 1_000_000), Gen.Bool,
            (verb, filter, isForAll, spread, isDryRun) =>
                new StartOperationRequest(verb, filter, isForAll, spread, isDryRun))),
        Kind(Operations.Select(operation => new StartOperationReply(operation))),
        Kind(Gen.Select(OrNil(Guids), Gen.Bool, IntsIn(1, 1000), (id, stops, limit) =>
            new OperationsRequest(id, stops, limit))),
        Kind(Operations.Array[0, 3].Select(operations => new OperationsReply(operations))),
        Kind(Gen.Byte.Array[0, 100].Select(command => new ForwardRequest(command))),
        Kind(Gen.Byte.Select(code => new ForwardReply(code))),
        Kind(Gen.UShort.Array[0, 300].Select(partitions => new CatchUpRequest([.. partitions]))),
        Kind(Gen.Const(new CatchUpReply())),
        Kind(Stats()),
        Kind(Gen.Select(Plans, Durabilities, TextsOrNil, (plan, durability, key) =>
            new SubmitRequest(plan, durability, key))),
        Kind(Gen.Select(Uuids, Durabilities, Gen.Bool, (id, durability, existed) =>
            new SubmitReply(id, durability, existed))),
        Kind(Gen.Select(
            Durabilities, Gen.Select(Plans, TextsOrNil, (plan, key) => new KeyedPlan(plan, key)).Array[1, 4],
            (durability, plans) => new SubmitManyRequest(durability, plans))),
        Kind(Gen.Select(Durabilities, Results.Array[0, 20], (durability, results) =>
            new SubmitManyReply(durability, results))),
        Kind(Texts.Select(name => new CreateUserRequest(name))),
        Kind(Users.Select(user => new CreateUserReply(user))),
        Kind(Texts.Select(name => new FindUserRequest(name))),
        Kind(Users.Select(user => new FindUserReply(user))),
        Kind(Gen.Select(Texts, IntsIn(0, 10_000), (name, credits) => new NameCredits(name, credits)).Array[1, 20]
            .Select(names => new SubscribeRequest(names))),
        Kind(LongsIn(1, long.MaxValue).Select(lease => new SubscribeReply(lease))),
        Kind(Delivery()),
        Kind(Ends.Array[1, 20].Select(ends => new FinishRequest(ends))),
        Kind(Deliveries.Select(ids => new FinishReply(ids))),
        Kind(Deliveries.Select(ids => new ExtendRequest(ids))),
        Kind(Deliveries.Select(ids => new ExtendReply(ids))),
        Kind(Gen.Select(Gen.ULong, Gen.Double.Unit, TextsOrNil, (id, fraction, note) =>
            new ProgressRequest(id, fraction, note))),
        Kind(Gen.Bool.Select(held => new ProgressReply(held))),
        Kind(Gen.Select(Gen.ULong, IntsIn(0, 255), (id, reason) => new Revoke(id, (RevokeReason)reason))),
    }.ToDictionary(kind => kind.Name, kind => kind.Samples);

    private static (string Name, Gen<Sample> Samples) Kind<T>(Gen<T> messages) where T : IMessage<T> =>
        (typeof(T).Name, messages.Select(message => Sample.Of(typeof(T).Name, message)));

    private static Gen<PlanMessage> PlansOf(int depth) => Gen.Select(
        Uuids, Schedules, Policies, ContentsOf(depth), UuidsOrNil,
        (user, schedule, policy, content, id) => new PlanMessage(user, schedule, policy, content, id));

    private static Gen<ContentMessage> ContentsOf(int depth) => Gen.Select(
        Texts, ActionsOf(depth), HooksOf(depth), (name, action, hooks) => new ContentMessage(name, action, hooks));

    private static Gen<HookMessage[]> HooksOf(int depth) => Gen.Select(
        Gen.Enum<HookEvent>().Where(trigger => trigger != HookEvent.None), Retries, ActionsOf(depth - 1),
        (trigger, retries, action) => new HookMessage(trigger, retries, action)).Array[0, 3];

    private static Gen<ActionMessage> ActionsOf(int depth)
    {
        var plain = Gen.OneOf<ActionMessage>(
            Gen.Select(Texts, Texts, Headers(), TextsOrNil, Timeouts, (method, url, headers, body, timeout) =>
                new RestAction(method[..Math.Min(method.Length, 5)], url, headers, body, timeout)),
            Gen.Select(Texts, Texts, (channel, message) => new SlackAction(channel, message)),
            Gen.Select(Texts, Texts, Texts, (to, subject, message) => new EmailAction(to, subject, message)),
            Gen.Select(Texts, TextsOrNil, Texts, (topic, key, message) => new KafkaAction(topic, key, message)),
            Gen.Select(Texts, Binaries, Timeouts, (name, arguments, timeout) =>
                new TaskAction(name[..Math.Min(name.Length, 40)], arguments, timeout)));
        return depth <= 0
            ? plain
            : Gen.OneOf(plain, PlansOf(depth - 1).Select(plan => (ActionMessage)new ChainAction(plan)));
    }

    private static Gen<KeyValuePair<string, string>[]> Headers() =>
        Gen.Select(Texts, Texts, (name, value) => new KeyValuePair<string, string>(name, value)).Array[0, 20];

    private static Gen<ConnectionLimits> Limits() => Gen.Select(
        IntsIn(1024, int.MaxValue), IntsIn(1, int.MaxValue), LongsIn(1, long.MaxValue), LongsIn(1, long.MaxValue),
        (frame, inFlight, idle, lease) => new ConnectionLimits(frame, inFlight, idle, lease));

    private static Gen<StatsReply> Stats() => Gen.Select(
        TextsOrNil, Counts.Array[8], Ints,
        Gen.Select(Texts, Ints, Ints, Ints, (name, workers, credits, running) =>
            new WorkerStats(name, workers, credits, running)).Array[0, 20],
        (reason, counts, connections, workers) => new StatsReply(
            reason, counts[0], counts[1], counts[2], counts[3], counts[4], counts[5], counts[6], counts[7],
            connections, workers));

    private static Gen<Delivery> Delivery() => Gen.Select(
        Gen.ULong, Gen.Select(Guids, Uuids), Gen.Select(LongsIn(1, long.MaxValue), Ints), Texts, Binaries,
        Gen.Select(IntsIn(1, int.MaxValue), IntsIn(1, int.MaxValue)), Gen.Select(Longs, Counts, Longs),
        (id, of, run, name, arguments, attempts, at) => new Delivery(
            id, of.Item1, of.Item2, run.Item1, run.Item2, name, arguments, attempts.Item1, attempts.Item2, at.Item1,
            at.Item2, at.Item3));

    private static Gen<T?> OrNil<T>(Gen<T> values) where T : struct =>
        Gen.Select(values, Gen.Bool, (value, nil) => nil ? (T?)null : value);

    private static Gen<T?> OrNull<T>(Gen<T> values) where T : class =>
        Gen.Select(values, Gen.Bool, (value, nil) => nil ? null : value);

    private static Gen<long> LongsIn(long min, long max) => Gen.OneOf(
        Gen.Const(min), Gen.Const(max), Gen.Long[min, max], Gen.Long[min, Math.Min(max, Math.Max(min, 0) + 300)]);

    private static Gen<int> IntsIn(int min, int max) => LongsIn(min, max).Select(value => (int)value);
}
