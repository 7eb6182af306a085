using Karya.Protocol.Messages;

namespace Karya.Protocol.Tests;

/// <summary>At least one message of each kind. Their bytes stand in <c>golden.txt</c>.</summary>
internal static class Samples
{
    public static readonly UInt128 User = new(0x0192_F0C1_2B3C_7D4E, 0x8F50_6172_8394_A5B6);
    public static readonly UInt128 Plan = new(0x0192_F0C1_2B3C_7A01, 0x8011_2233_4455_6677);
    private static readonly UInt128 Parent = new(0x0192_F0C1_0000_7A01, 0x8899_AABB_CCDD_EEFF);
    private static readonly Guid Task = Uuids.ToGuid(new UInt128(0x5D41_402A_BC4B_5A76, 0xB971_9D91_1017_C592));

    private const long DueMs = 1_795_400_000_000;
    private const long HourMs = 3_600_000;

    private static readonly PolicyMessage DefaultPolicy = new(0, null, null, MissedRuns.Once);
    private static readonly TaskAction Resize = new("resize-image", [0x7B, 0x7D], 0);
    private static readonly ContentMessage OneTask = new("t", Resize, []);

    private static readonly RestAction Rest = new(
        "POST", "https://example.com/", [new("Accept", "text/plain"), new("X-Empty", "")], "{}", 2000);

    private static readonly PolicyMessage FullPolicy = new(3, 100, 60_000, MissedRuns.All);

    private static readonly ContentMessage Hooked = new(
        "nightly ü", Rest,
        [
            new HookMessage(HookEvent.Failure, 1, new SlackAction("#ops", "[]")),
            new HookMessage(HookEvent.Completion, 2, new EmailAction("a@example.com", "done", "It is done.")),
        ]);

    private static readonly PlanSnapshot Snapshot = new(
        Plan, User, Parent, PlanStatus.Running, new ScheduleMessage.Every(HourMs, DueMs, DueMs + 24 * HourMs), 3,
        DueMs - 5000, DueMs, Hooked);

    private static readonly PlanSnapshot SnapshotAlone = new(
        Plan, User, null, PlanStatus.Completed, new ScheduleMessage.After(0), 0, DueMs, DueMs, OneTask);

    private static readonly TaskSnapshot Running = new(
        Task, 7, 0, 7, 255, PlanTaskStatus.Processing, DueMs, DueMs + 1, DueMs + 2, DueMs + 3, 2, 0.25, "a quarter");

    private static readonly TaskSnapshot Waiting = new(
        Task, 1, 2, 1, 0, PlanTaskStatus.Created, DueMs, DueMs, null, null, 0, null, null);

    private static readonly ErrorSnapshot Failed = new(7, 0, 1, DueMs, "HTTP 503", "http_5xx");

    private static readonly DeadLetterSnapshot Letter = new(
        Task, Plan, 7, 1, User, "invoice", "rest", "api.example.com", "timeout", 4, DueMs, DueMs + 5,
        "It took too long.");

    private static readonly OperationSnapshot Sweep = new(
        Task, DeadLetterVerb.Replay, new DeadLetterFilter(Failure: "timeout"), OperationState.Running, false, 600_000,
        100, 30, 2, DueMs, DueMs + 1, true, "node-a", "The store is away.");

    private static readonly ErrorMessage Refused =
        new(ErrorCode.InvalidUrl, "INVALID_URL", "action.url is empty.", "action.url", null);

    private static readonly PartitionMap Map = new(
        7, [new NodeEndpoint("10.0.0.1", 7420), new NodeEndpoint("b.example", 65_535)], [0, 1, 1, 0]);

    public static readonly IReadOnlyList<Sample> All =
    [
        .. Greetings(), .. Submits(), .. Plans(), .. Histories(), .. Users(), .. Nodes(), .. Workers(),
    ];

    /// <summary>The first one of a kind.</summary>
    public static Sample Of<T>() => All.First(sample => sample.Type == typeof(T));

    public static Sample Named(string name) => All.Single(sample => sample.Name == name);

    private static IEnumerable<Sample> Greetings() =>
    [
        Sample.Of("hello", new Hello(1, 1, "karya-dotnet/0.1.0", "secret")),
        Sample.Of("hello.nil", new Hello(1, 3, "", null)),
        Sample.Of("welcome", new Welcome(
            1, "node-1", "0.1.0", DueMs, new ConnectionLimits(4_194_304, 256, 60_000, 30_000), Map)),
        Sample.Of("ping", new Ping()),
        Sample.Of("pong", new Pong(DueMs)),
        Sample.Of("going_away", new GoingAway("The node stops.", 30_000)),
        Sample.Of("error", new ErrorMessage(ErrorCode.Overloaded, "OVERLOADED", "Too much.", "plan", 250)),
        Sample.Of("error.nil", new ErrorMessage(ErrorCode.HelloTimeout, "HELLO_TIMEOUT", "No HELLO within 5 s.")),
    ];

    private static IEnumerable<Sample> Submits() =>
    [
        Submit("submit.after_task", new ScheduleMessage.After(5000), Resize),
        Sample.Of("submit.full", new SubmitRequest(
            new PlanMessage(User, new ScheduleMessage.At(DueMs), FullPolicy, Hooked, Plan),
            Durability.Accepted, "order-4711")),
        Submit("submit.every_slack", new ScheduleMessage.Every(HourMs, null, null), new SlackAction("#c", "[1]")),
        Submit("submit.every_full", new ScheduleMessage.Every(1, DueMs, DueMs + HourMs), Resize),
        Submit("submit.cron_email", new ScheduleMessage.Cron("0 3 * * *", "Europe/Berlin", null),
            new EmailAction("a@example.com", "s", "m")),
        Submit("submit.cron_end", new ScheduleMessage.Cron("*/5 0 3 * * *", "UTC", DueMs), Resize),
        Submit("submit.at_kafka", new ScheduleMessage.At(0), new KafkaAction("orders", "key", "value")),
        Submit("submit.kafka_nil", new ScheduleMessage.At(0), new KafkaAction("orders", null, "")),
        Submit("submit.rest_retry_on", new ScheduleMessage.After(0), new RestAction("GET", "http://a/", [], null, 0)
        {
            RetryOn = [5, 429],
        }),
        Submit("submit.rest_nil", new ScheduleMessage.After(0), new RestAction("GET", "http://a/", [], null, 0)),
        Submit("submit.chain", new ScheduleMessage.After(0), new ChainAction(
            new PlanMessage(User, new ScheduleMessage.After(1), DefaultPolicy, OneTask))),
        Sample.Of("submit.reply", new SubmitReply(Plan, Durability.Durable, false)),
        Sample.Of("submit.reply_existed", new SubmitReply(Plan, Durability.Accepted, true)),
        Sample.Of("submit_many", new SubmitManyRequest(
            Durability.Durable,
            [
                new KeyedPlan(new PlanMessage(User, new ScheduleMessage.After(0), DefaultPolicy, OneTask), "k"),
                new KeyedPlan(new PlanMessage(User, new ScheduleMessage.At(1), DefaultPolicy, OneTask, Plan), null),
            ])),
        Sample.Of("submit_many.reply", new SubmitManyReply(
            Durability.Durable,
            [
                new SubmitResult(Plan, false, null), new SubmitResult(default, false, Refused),
                new SubmitResult(Plan, true, null),
            ])),
    ];

    private static Sample Submit(string name, ScheduleMessage schedule, ActionMessage action) =>
        Sample.Of(name, new SubmitRequest(
            new PlanMessage(User, schedule, DefaultPolicy, new ContentMessage("t", action, [])),
            Durability.Durable, null));

    private static IEnumerable<Sample> Plans() =>
    [
        Sample.Of("update", new UpdateRequest(Plan, HourMs, 5, Hooked.Hooks)),
        Sample.Of("update.no_hooks", new UpdateRequest(Plan, null, null, [])),
        Sample.Of("update.nil", new UpdateRequest(Plan, null, null, null)),
        Sample.Of("update.reply", Snapshot),
        Sample.Of("update.reply_alone", SnapshotAlone),
        Sample.Of("cancel", new CancelRequest(Plan)),
        Sample.Of("cancel.reply", new CancelReply(SnapshotAlone)),
        Sample.Of("trigger", new TriggerRequest(Plan)),
        Sample.Of("trigger.reply", new TriggerReply(SnapshotAlone)),
        Sample.Of("get", new GetRequest(Plan)),
        Sample.Of("get.reply", new PlanDetails(SnapshotAlone, Running)),
        Sample.Of("get.reply_waiting", new PlanDetails(SnapshotAlone, Waiting)),
        Sample.Of("summary", new SummaryRequest(Plan)),
        Sample.Of("summary.reply", new SummaryReply(Snapshot, [Running, Waiting], [Failed])),
        Sample.Of("summary.reply_empty", new SummaryReply(SnapshotAlone, [], [])),
    ];

    private static IEnumerable<Sample> Histories() =>
    [
        Sample.Of("list", new ListRequest(User, PlanStatus.Running, 100, [1, 2, 3, 255])),
        Sample.Of("list.nil", new ListRequest(User, PlanStatus.None, 1, null)),
        Sample.Of("list.reply", new ListReply([Snapshot, SnapshotAlone], [9])),
        Sample.Of("list.reply_last", new ListReply([], null)),
        Sample.Of("tasks", new TasksRequest(Plan, 1000, [1, 2])),
        Sample.Of("tasks.nil", new TasksRequest(Plan, 1, null)),
        Sample.Of("tasks.reply", new TasksReply([Running, Waiting], [9])),
        Sample.Of("tasks.reply_last", new TasksReply([], null)),
        Sample.Of("errors", new ErrorsRequest(Plan, 1000, [1, 2])),
        Sample.Of("errors.nil", new ErrorsRequest(Plan, 1, null)),
        Sample.Of("errors.reply", new ErrorsReply([Failed], [9])),
        Sample.Of("errors.reply_last", new ErrorsReply([], null)),
        Sample.Of("result", new ResultRequest(Plan, 7, 32)),
        Sample.Of("result.reply", new ResultReply([0, 1, 2])),
        Sample.Of("result.reply_nil", new ResultReply(null)),
    ];

    private static IEnumerable<Sample> Users() =>
    [
        Sample.Of("create_user", new CreateUserRequest("Ada")),
        Sample.Of("create_user.reply", new CreateUserReply(new UserSnapshot(User, "Ada", DueMs))),
        Sample.Of("find_user", new FindUserRequest("Zoë")),
        Sample.Of("find_user.reply", new FindUserReply(new UserSnapshot(User, "Zoë", DueMs))),
    ];

    private static IEnumerable<Sample> Nodes() =>
    [
        Sample.Of("map", new MapRequest()),
        Sample.Of("map.reply", new MapReply(Map)),
        Sample.Of("map_changed", new MapChanged(PartitionMap.Single(4, new NodeEndpoint("::1", 1)))),
        Sample.Of("cluster", new ClusterStatusRequest(true)),
        Sample.Of("cluster.reply", new ClusterStatusReply(
            [
                new NodeStatus(
                    "a", "1f", new NodeEndpoint("host", 7070), "http://host:8080/", "0.1.0", NodeState.Up, 2, 1, -2000,
                    900, 12_000, 7, 1, 60_000, null),
                new NodeStatus(
                    "b", "", new NodeEndpoint("other", 7071), "http://other:8080/", "0.1.0", NodeState.Silent, 0, 0,
                    null, null, null, 0, 0, 0, "It does not answer."),
            ],
            [new PartitionStatus(0, 3, false), new PartitionStatus(null, 4, true)])),
        Sample.Of("drain", new DrainRequest("a", true)),
        Sample.Of("drain.reply", new DrainReply()),
        Sample.Of("connectors", new ConnectorsRequest(null)),
        Sample.Of("connectors.test", new ConnectorsRequest("slack")),
        Sample.Of("connectors.reply", new ConnectorsReply(
            [
                new ConnectorStatus("rest", ConnectorState.Configured, null, null),
                new ConnectorStatus("email", ConnectorState.Failing, "mail:587", "It refused the connection."),
            ])),
        Sample.Of("dead_letters", new DeadLettersRequest(
            new DeadLetterFilter(User, null, "rest", "api.example.com", "timeout", DueMs, null), false, 50, [1, 2])),
        Sample.Of("dead_letters.grouped", new DeadLettersRequest(new DeadLetterFilter(), true, 10, null)),
        Sample.Of("dead_letters.reply", new DeadLettersReply(
            [Letter], [new DeadLetterGroup("rest", "api.example.com", "timeout", 12, DueMs, Letter)], 13, [1, 2])),
        Sample.Of("dead_letter", new DeadLetterRequest(Plan, 7, 1, DeadLetterVerb.Drop)),
        Sample.Of("dead_letter.reply", new DeadLetterReply()),
        Sample.Of("start_operation", new StartOperationRequest(
            DeadLetterVerb.Replay, new DeadLetterFilter(Failure: "timeout"), false, 600_000, true)),
        Sample.Of("start_operation.reply", new StartOperationReply(Sweep)),
        Sample.Of("operations", new OperationsRequest(null, false, 10)),
        Sample.Of("operations.stop", new OperationsRequest(Task, true, 1)),
        Sample.Of("operations.reply", new OperationsReply([Sweep])),
        Sample.Of("forward", new ForwardRequest([1, 2, 3])),
        Sample.Of("forward.reply", new ForwardReply(2)),
        Sample.Of("catch_up", new CatchUpRequest([0, 1, 65_535])),
        Sample.Of("catch_up.reply", new CatchUpReply()),
        Sample.Of("stats", new StatsRequest()),
        Sample.Of("stats.reply", new StatsReply(
            "The store is gone.", 1, 128, 65_536, 4_294_967_296, 5, 6, 7, 8, 9,
            [new WorkerStats("resize-image", 2, 64, 3), new WorkerStats("b", 0, 0, 0)])),
        Sample.Of("stats.reply_ready", new StatsReply(null, 0, 0, 0, 0, 0, 0, 0, 0, 0, [])),
    ];

    private static IEnumerable<Sample> Workers() =>
    [
        Sample.Of("subscribe", new SubscribeRequest([new NameCredits("resize-image", 64), new NameCredits("b", 0)])),
        Sample.Of("subscribe.reply", new SubscribeReply(30_000)),
        Sample.Of("delivery", new Delivery(
            42, Task, Plan, 7, 0, "resize-image", [0x7B, 0x7D], 1, 4, DueMs, 60_000, 3)),
        Sample.Of("delivery.edges", new Delivery(ulong.MaxValue, Task, Plan, 1, 2, "b", [], 1, 1, -1, 0, -1)),
        Sample.Of("finish", new FinishRequest(
        [
            new DeliveryEnd(42, DeliveryOutcome.Success, [1, 2], null, 0),
            new DeliveryEnd(43, DeliveryOutcome.Failure, null, "Timed out.", 5000),
            new DeliveryEnd(44, DeliveryOutcome.Permanent, null, "No such image.", 0),
            new DeliveryEnd(45, DeliveryOutcome.Released, null, null, 0),
        ])),
        Sample.Of("finish.reply", new FinishReply([43])),
        Sample.Of("extend", new ExtendRequest([42, 200, 70_000, ulong.MaxValue])),
        Sample.Of("extend.reply", new ExtendReply([])),
        Sample.Of("progress", new ProgressRequest(42, 0.5, "half")),
        Sample.Of("progress.nil", new ProgressRequest(42, 1, null)),
        Sample.Of("progress.reply", new ProgressReply(true)),
        Sample.Of("progress.reply_lost", new ProgressReply(false)),
        Sample.Of("revoke", new Revoke(42, RevokeReason.LeaseEnded)),
    ];
}
