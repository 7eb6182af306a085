using Karya.Protocol.Messages;

namespace Karya.Protocol.Tests;

/// <summary>One of each record that messages are made of, and how it is read.</summary>
internal static class DocumentedRecords
{
    private delegate T Reading<T>(ref WireReader reader);

    public static IEnumerable<(string Name, byte[] Body, Func<byte[], WireFault?> Read)> All()
    {
        var task = new TaskAction("b", [], 0);
        var content = new ContentMessage("c", task, []);
        var policy = new PolicyMessage(0, 1, 1, MissedRuns.Once);
        var plan = new PlanMessage(1, new ScheduleMessage.At(1), policy, content, 2);
        var snapshot = new PlanSnapshot(1, 2, 3, PlanStatus.Created, new ScheduleMessage.At(1), 0, 0, 0, content);
        var running = new TaskSnapshot(default, 1, 0, 1, 0, PlanTaskStatus.Created, 0, 0, 0, 0, 0, 0.5, "");
        var map = new PartitionMap(1, [new NodeEndpoint("a", 1)], [0]);

        return
        [
            ("plan", Written(plan.Write), Fault(PlanMessage.Read)),
            ("keyed plan", [0x92, 0xA0, .. Written(plan.Write)], KeyedPlanFault),
            .. Schedules(),
            ("policy", Written(policy.Write), Fault(PolicyMessage.Read)),
            ("content", Written(content.Write), Fault(ContentMessage.Read)),
            ("hook", Written(new HookMessage(HookEvent.Failure, 0, task).Write), Fault(ReadHook)),
            .. Actions(plan),
            ("header", [0x92, 0xA0, 0xA0], Inside<ActionMessage>("9601A0A091", "C000", ReadAction)),
            ("plan snapshot", Written(snapshot.Write), Fault(PlanSnapshot.Read)),
            ("task", Written(running.Write), Fault(TaskSnapshot.Read)),
            ("attempt error", Written(new ErrorSnapshot(0, 0, 0, 0, "", "").Write), Fault(ErrorSnapshot.Read)),
            ("result", Written(new SubmitResult(1, true, null).Write), Fault(SubmitResult.Read)),
            ("user", Written(new UserSnapshot(1, "", 0).Write), Fault(UserSnapshot.Read)),
            ("map", Written(map.Write), Fault(PartitionMap.Read)),
            ("node", [0x92, 0xA1, 0x61, 0x01], Inside<PartitionMap>("930191", "C4020000", PartitionMap.Read)),
            ("member", Written(new NodeStatus(
                "", "", new NodeEndpoint("", 0), "", "", NodeState.None, 0, 0, null, null, null, 0, 0, 0, null).Write),
                Fault(NodeStatus.Read)),
            ("partition", Written(new PartitionStatus(null, 0, false).Write), Fault(PartitionStatus.Read)),
            ("connector", Written(new ConnectorStatus("", ConnectorState.Missing, null, null).Write),
                Fault(ConnectorStatus.Read)),
            ("dead letter filter", Written(new DeadLetterFilter(1, 1, "", "", "", 1, 1).Write),
                Fault(DeadLetterFilter.Read)),
            ("dead letter", Written(Letter.Write), Fault(DeadLetterSnapshot.Read)),
            ("dead letter group", Written(new DeadLetterGroup("", "", "", 0, 1, Letter).Write),
                Fault(DeadLetterGroup.Read)),
            ("operation", Written(new OperationSnapshot(
                default, DeadLetterVerb.Drop, new DeadLetterFilter(), OperationState.Done, false, 0, 0, 0, 0, 0, 0,
                false, "", "").Write), Fault(OperationSnapshot.Read)),
            ("worker", Written(new WorkerStats("", 0, 0, 0).Write), Fault(WorkerStats.Read)),
            ("name credits", [0x92, 0xA1, 0x61, 0x01], Inside<SubscribeRequest>("9191", "", SubscribeRequest.Read)),
            ("end", Written(new DeliveryEnd(1, 0, [], "", 0).Write), Fault(DeliveryEnd.Read)),
        ];
    }

    private static DeadLetterSnapshot Letter => new(default, 1, 1, 0, 1, "", "", "", "", 0, 0, 1, "");

    private static IEnumerable<(string Name, byte[] Body, Func<byte[], WireFault?> Read)> Schedules() =>
        new (string Name, ScheduleMessage Schedule)[]
        {
            ("schedule: after", new ScheduleMessage.After(0)),
            ("schedule: at", new ScheduleMessage.At(0)),
            ("schedule: every", new ScheduleMessage.Every(1, 1, 1)),
            ("schedule: cron", new ScheduleMessage.Cron("* * * * *", "UTC", 1)),
        }.Select(entry => (entry.Name, Written(entry.Schedule.Write), Fault(ScheduleMessage.Read)));

    private static IEnumerable<(string Name, byte[] Body, Func<byte[], WireFault?> Read)> Actions(PlanMessage plan) =>
        new (string Name, ActionMessage Action)[]
        {
            ("action: REST", new RestAction("GET", "http://a/", [], "", 0) { RetryOn = [5] }),
            ("action: Slack", new SlackAction("", "")),
            ("action: e-mail", new EmailAction("", "", "")),
            ("action: Kafka", new KafkaAction("", "", "")),
            ("action: chain", new ChainAction(plan)),
            ("action: task", new TaskAction("b", [], 0)),
        }.Select(entry => (entry.Name, Written(entry.Action.Write), Fault(ReadAction)));

    private static ActionMessage ReadAction(ref WireReader reader) => ActionMessage.Read(ref reader, depth: 1);

    private static HookMessage ReadHook(ref WireReader reader) => HookMessage.Read(ref reader, depth: 1);

    private static Func<byte[], WireFault?> Fault<T>(Reading<T> read) => Inside("", "", read);

    /// <summary>For a record that is read only as a part of <typeparamref name="T"/>.</summary>
    private static Func<byte[], WireFault?> Inside<T>(string before, string behind, Reading<T> read) => body =>
    {
        var reader = new WireReader([.. Convert.FromHexString(before), .. body, .. Convert.FromHexString(behind)]);
        read(ref reader);
        reader.TryEnd();
        return reader.Fault;
    };

    private static WireFault? KeyedPlanFault(byte[] body)
    {
        var writer = new FrameWriter();
        writer.WriteArray(2);
        writer.WriteInt64(0);
        writer.WriteArray(1);
        writer.WriteBinary(body);
        return Samples.Of<SubmitManyRequest>().FaultOf(writer.Written.Span);
    }

    private static byte[] Written(Action<FrameWriter> write)
    {
        var writer = new FrameWriter();
        write(writer);
        return writer.Written.ToArray();
    }
}
