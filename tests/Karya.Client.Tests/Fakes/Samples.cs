using Karya.Protocol;
using Karya.Protocol.Messages;

namespace Karya.Client.Tests.Fakes;

/// <summary>What a node could say.</summary>
internal static class Samples
{
    public static readonly Guid PlanId = Guid.Parse("018f9c2e-0000-7000-8000-000000000001");
    public static readonly Guid UserId = Guid.Parse("018f9c2e-0000-7000-8000-0000000000aa");
    public static readonly Guid TaskId = Guid.Parse("018f9c2e-0000-7000-8000-0000000000bb");

    public static UserSnapshot User => new(Uuids.ToNumber(UserId), "default", 1_767_225_600_000);

    public static Plan Plan => new()
    {
        Name = "sample",
        Action = KaryaAction.Task("resize-image", new { width = 7 }),
        User = UserId,
    };

    public static PlanSnapshot Snapshot(PlanStatus status = PlanStatus.Running) => new(
        Uuids.ToNumber(PlanId), Uuids.ToNumber(UserId), null, status, new ScheduleMessage.After(1500), 3,
        1_767_225_600_000, 1_767_225_601_000,
        new ContentMessage("sample", new TaskAction("resize-image", [1, 2], 0), []));

    public static TaskSnapshot Task(
        PlanTaskStatus status = PlanTaskStatus.Created, long occurrence = 1, int attempts = 0) => new(
        TaskId, occurrence, 0, occurrence, 5, status, 1_767_225_600_000, 1_767_225_601_000,
        attempts > 0 ? 1_767_225_601_250 : null, null, attempts, null, null);

    public static PlanDetails Details(
        PlanStatus status = PlanStatus.Running, PlanTaskStatus task = PlanTaskStatus.Created, int attempts = 0) =>
        new(Snapshot(status), Task(task, attempts: attempts));

    public static SubmitReply Submitted(bool existed = false) =>
        new(Uuids.ToNumber(PlanId), Durability.Durable, existed);

    public static ErrorMessage Error(ErrorCode code, string message = "No.", long? retryAfterMs = null) =>
        new(code, ErrorNames.Of(code), message, "field", retryAfterMs);

    public static Delivery Delivery(
        ulong id = 1, string name = "resize-image", string arguments = "{\"width\":7}", int attempt = 1) => new(
        id, TaskId, Uuids.ToNumber(PlanId), 1, 0, name, System.Text.Encoding.UTF8.GetBytes(arguments), attempt, 4,
        1_767_225_599_000, 0, 9);
}
