using System.Collections.Concurrent;
using System.Diagnostics;
using System.Diagnostics.Metrics;
using Karya.Client.Tests.Fakes;
using Karya.Client.Tests.Workers;
using Karya.Protocol;
using Karya.Protocol.Messages;
using Xunit;

namespace Karya.Client.Tests.Hosting;

/// <summary>What the client tells of itself. Other tests run beside this one, so names are unlike theirs.</summary>
public sealed class TelemetryTests : IAsyncDisposable
{
    private readonly WorkerRig _rig = new();

    public ValueTask DisposeAsync() => _rig.DisposeAsync();

    [Fact]
    public async Task A_request_is_an_activity_and_a_duration_with_its_outcome()
    {
        var activities = new ConcurrentQueue<Activity>();
        using var parent = new Activity("test").Start();
        using var listener = Listen(activities, parent);
        var durations = new ConcurrentQueue<(string Instrument, string Tags)>();
        using var meters = Measure(durations);
        var stats = _rig.Client.GetStatsAsync().AsTask();
        var connection = await _rig.Node.AcceptAsync();
        await connection.AnswerAsync<StatsRequest, ErrorMessage>(Samples.Error(ErrorCode.Internal));
        await Assert.ThrowsAsync<KaryaException>(() => stats.Soonly());

        var activity = Assert.Single(activities);
        Assert.Equal(("karya GetStatsAsync", ActivityKind.Client), (activity.OperationName, activity.Kind));
        Assert.Equal(ActivityStatusCode.Error, activity.Status);
        Assert.Equal(_rig.Client.Node, activity.GetTagItem("karya.node"));
        Assert.Contains(
            ("karya.client.request.duration", "operation=GetStatsAsync;outcome=INTERNAL"), durations);
        Assert.Contains(("karya.client.requests.in_flight", ""), durations);
    }

    [Fact]
    public async Task A_run_is_a_duration_with_its_outcome_and_a_reconnect_is_counted()
    {
        var durations = new ConcurrentQueue<(string Instrument, string Tags)>();
        using var meters = Measure(durations);
        var (_, connection) = await _rig.StartAsync(
            tasks => tasks.MapTask<int>("telemetry", (_, _, _) => throw new PermanentTaskException("No.")));
        await connection.PushAsync(Samples.Delivery(1, "telemetry", "0"));
        await WorkerRig.EndAsync(connection);
        await connection.PushAsync(new GoingAway("test", 0));
        var accepting = _rig.Node.AcceptAsync();
        await Task.WhenAny(accepting, _rig.Time.ArmedAsync(due => due <= TimeSpan.FromMilliseconds(100), 1));
        _rig.Time.Advance(TimeSpan.FromMilliseconds(100));
        await accepting;
        await _rig.Client.PingAsync().Soonly();

        Assert.Contains(("karya.worker.task.duration", "task=telemetry;outcome=permanent"), durations);
        Assert.Contains(("karya.client.reconnects", ""), durations);
    }

    private static ActivityListener Listen(ConcurrentQueue<Activity> activities, Activity parent)
    {
        var listener = new ActivityListener
        {
            ShouldListenTo = source => source.Name == "Karya.Client",
            Sample = (ref ActivityCreationOptions<ActivityContext> options) =>
                options.Parent.TraceId == parent.TraceId
                    ? ActivitySamplingResult.AllData
                    : ActivitySamplingResult.None,
            ActivityStopped = activities.Enqueue,
        };
        ActivitySource.AddActivityListener(listener);
        return listener;
    }

    private static MeterListener Measure(ConcurrentQueue<(string Instrument, string Tags)> measured)
    {
        var listener = new MeterListener
        {
            InstrumentPublished = (instrument, self) =>
            {
                if (instrument.Meter.Name == "Karya.Client")
                    self.EnableMeasurementEvents(instrument);
            },
        };
        listener.SetMeasurementEventCallback<double>((instrument, _, tags, _) => Note(instrument, tags));
        listener.SetMeasurementEventCallback<long>((instrument, _, tags, _) => Note(instrument, tags));
        listener.Start();
        return listener;

        void Note(Instrument instrument, ReadOnlySpan<KeyValuePair<string, object?>> tags) => measured.Enqueue(
            (instrument.Name, string.Join(';', tags.ToArray().Select(tag => $"{tag.Key}={tag.Value}"))));
    }
}
