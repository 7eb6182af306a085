using Karya.Client.Tests.Fakes;
using Karya.Protocol.Messages;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Xunit;

namespace Karya.Client.Tests.Hosting;

/// <summary>Client, worker and health check in a host.</summary>
public sealed class HostingTests : IAsyncDisposable
{
    private readonly FakeNode _node = new();

    public ValueTask DisposeAsync() => _node.DisposeAsync();

    [Fact]
    public async Task The_connection_string_and_the_section_of_the_name_configure_the_client()
    {
        var builder = Builder(
            ("ConnectionStrings:jobs", "karya://10.1.2.3:7171"),
            ("Karya:Client:jobs:UserName", "billing"),
            ("Karya:Client:jobs:RequestTimeout", "00:00:03"));
        builder.AddKaryaClient("jobs", options => options.ClientName = "test");
        using var host = builder.Build();

        var options = host.Services.GetRequiredService<KaryaClient>().Options;

        Assert.Equal("karya://10.1.2.3:7171", options.Address.ToString());
        Assert.Equal(("billing", "test"), (options.UserName, options.ClientName));
        Assert.Equal(TimeSpan.FromSeconds(3), options.RequestTimeout);
        await host.Services.GetRequiredService<KaryaClient>().DisposeAsync();
    }

    [Fact]
    public void All_mistakes_of_the_configuration_are_told_at_once()
    {
        var builder = Builder(
            ("ConnectionStrings:karya", "http://localhost"),
            ("Karya:Client:karya:RequestTimeout", "soon"),
            ("Karya:Client:karya:Retries", "3"));

        var e = Assert.Throws<InvalidOperationException>(() => builder.AddKaryaClient());

        Assert.Contains("ConnectionStrings:karya: ", e.Message, StringComparison.Ordinal);
        Assert.Contains("Karya:Client:karya:RequestTimeout is 'soon'", e.Message, StringComparison.Ordinal);
        Assert.Contains("Karya:Client:karya:Retries is no setting", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_worker_starts_and_stops_with_the_host_and_each_run_has_a_scope_of_its_own()
    {
        var builder = Builder();
        builder.Services.AddScoped<Visits>();
        builder.AddKaryaClient().AddWorker(tasks => tasks.AddTask<Visit>(), options => options.Concurrency = 2);
        using var host = builder.Build();
        await host.StartAsync();
        var connection = await _node.AcceptAsync();
        await connection.AnswerAsync<SubscribeRequest, SubscribeReply>(new SubscribeReply(30_000));
        for (ulong id = 1; id <= 2; id++)
        {
            await connection.PushAsync(Samples.Delivery(id, "visit", "0"));
            var finish = await connection.AnswerAsync<FinishRequest, FinishReply>(new FinishReply([]));
            Assert.Equal("1", System.Text.Encoding.UTF8.GetString(Assert.Single(finish.Ends).Result!));
        }

        var stopping = host.StopAsync();
        await connection.AnswerAsync<SubscribeRequest, SubscribeReply>(new SubscribeReply(30_000));
        await stopping.Soonly();
        await host.Services.GetRequiredService<KaryaClient>().DisposeAsync();
    }

    [Fact]
    public async Task The_check_is_healthy_when_the_node_answers_and_the_worker_is_subscribed()
    {
        var builder = Builder();
        builder.AddKaryaClient().AddWorker(tasks => tasks.AddTask<Visit>());
        builder.Services.AddScoped<Visits>().AddHealthChecks().AddKarya(tags: ["ready"]);
        using var host = builder.Build();
        await host.StartAsync();
        var connection = await _node.AcceptAsync();
        var (id, _) = await connection.ExpectAsync<SubscribeRequest>();

        var before = await CheckAsync(host);
        await connection.ReplyAsync(id, new SubscribeReply(30_000));
        var client = host.Services.GetRequiredService<KaryaClient>();
        while (!client.Workers[0].IsSubscribed)
            await Task.Yield();
        var after = await CheckAsync(host);
        await connection.DisposeAsync();
        await _node.DisposeAsync();
        await client.DisposeAsync();
        var disposed = await CheckAsync(host);

        Assert.Equal((HealthStatus.Unhealthy, "1 workers are not subscribed."), (before.Status, before.Description));
        Assert.Equal(HealthStatus.Healthy, after.Status);
        Assert.StartsWith("Connected to node-1", after.Description, StringComparison.Ordinal);
        Assert.Equal(HealthStatus.Unhealthy, disposed.Status);
    }

    [Fact]
    public async Task The_check_says_why_there_is_no_connection()
    {
        await _node.DisposeAsync();
        var builder = Builder();
        builder.AddKaryaClient();
        builder.Services.AddHealthChecks().AddKarya(failureStatus: HealthStatus.Degraded);
        using var host = builder.Build();

        var result = await CheckAsync(host);

        Assert.Equal(HealthStatus.Degraded, result.Status);
        Assert.StartsWith("Not connected.", result.Description, StringComparison.Ordinal);
        Assert.Contains($"127.0.0.1:{_node.Port}", result.Description, StringComparison.Ordinal);
        await host.Services.GetRequiredService<KaryaClient>().DisposeAsync();
    }

    private static async Task<HealthReportEntry> CheckAsync(IHost host)
    {
        var report = await host.Services.GetRequiredService<HealthCheckService>().CheckHealthAsync();
        return report.Entries["karya"];
    }

    private HostApplicationBuilder Builder(params (string Key, string Value)[] settings)
    {
        var builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Configuration["ConnectionStrings:karya"] = _node.Address.ToString();
        foreach (var (key, value) in settings)
            builder.Configuration[key] = value;
        return builder;
    }

    private sealed class Visits
    {
        public int Count { get; set; }
    }

    [KaryaTask("visit")]
    private sealed class Visit(Visits visits) : IKaryaTask<int, int>
    {
        public Task<int> RunAsync(int args, TaskContext context, CancellationToken cancellationToken) =>
            Task.FromResult(++visits.Count);
    }
}
