using System.Text;
using Karya.Client;
using Karya.Protocol.Messages;

namespace Karya.Process.Tests.Shell;

/// <summary>What a node might answer.</summary>
internal static class Samples
{
    public static readonly Guid PlanId = Guid.Parse("01a20a7b-5d5f-7000-aae0-21f5763fed03");
    public static readonly Guid UserId = Guid.Parse("01a20a7b-0000-7000-aae0-21f5763fed03");
    public static readonly DateTimeOffset Created = new(2026, 11, 26, 12, 15, 0, TimeSpan.Zero);

    public static PlanState Call { get; } = new(
        PlanId, UserId, null, "nightly\e[31m ping", PlanStatus.Running,
        Schedule.Every(TimeSpan.FromMinutes(5)) with { EndAt = Created.AddDays(2) },
        KaryaAction.Http(
            HttpMethod.Post, "https://crm.local/sync", "{\"all\":true}", [new("authorization", "Bearer secret")],
            TimeSpan.FromSeconds(2)),
        [Hook.OnFailure(KaryaAction.Slack("#ops", "[]"))],
        3, Created, Created.AddMinutes(10));

    public static PlanState Work { get; } = Call with
    {
        Id = Guid.Parse("01a20a7b-5d60-7000-aae0-21f5763fed03"),
        Name = "",
        Status = PlanStatus.Created,
        Schedule = Schedule.At(Created.AddMinutes(18)),
        Action = KaryaAction.Task(
            "resize-image", (ReadOnlyMemory<byte>)Encoding.UTF8.GetBytes("{\n \"id\": 12345678901234567890 }"),
            timeout: null),
        Hooks = [],
    };

    public static TaskState Failed { get; } = new(
        Guid.Parse("00000000-0000-0000-0000-000000000001"), PlanId, 1, 0, 1, PlanTaskStatus.Failure, Created,
        Created.AddMinutes(5), Created.AddMinutes(5).AddMilliseconds(4), Created.AddMinutes(5).AddMilliseconds(46), 4,
        null, null);

    public static TaskState Waiting { get; } = new(
        Guid.Parse("00000000-0000-0000-0000-000000000002"), PlanId, 2, 0, 2, PlanTaskStatus.Created, Created,
        Created.AddMinutes(20), null, null, 0, null, "no worker serves it");

    public static PlanSummary Summary { get; } = new(
        Call, [Failed, Waiting],
        [new TaskError(1, 0, 4, Created.AddMinutes(5), "503 Service Unavailable\nclosed for lunch", "http_5xx")]);
}
