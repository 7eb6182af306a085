using System.Net;
using System.Net.Sockets;
using System.Text;
using Karya.Node.Diagnostics;
using Karya.Node.Http;
using Karya.Node.Plans;
using Karya.Protocol.Messages;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Karya.Node.Tests.Http;

/// <summary>The real HTTP side on a free loopback port, with a fake desk behind it.</summary>
internal sealed class ApiHost : IAsyncDisposable
{
    private static readonly Encoding Utf8 = new UTF8Encoding(false);

    private readonly HttpApi _api;
    private readonly HttpClient _client;

    private ApiHost(HttpApi api, Uri address, FakeDeadLetters deadLetters)
    {
        DeadLetters = deadLetters;
        _api = api;
        Address = address;
        _client = new HttpClient { BaseAddress = address };
    }

    public Uri Address { get; }

    public FakeDeadLetters DeadLetters { get; }

    public static Metrics Metrics { get; } = new(new FakeTimeProvider());

    private static Task<ClusterStatusReply> Nobody() => Task.FromResult(new ClusterStatusReply([], []));

    /// <summary>rest, and an e-mail connector that does not work.</summary>
    private static Task<ConnectorsReply> TwoConnectorsAsync(string? test, CancellationToken stopping)
    {
        if (test is not (null or "email"))
            throw new DeskException(DeskError.Invalid, $"There is no connector named {test}.");
        var email = test is null
            ? new ConnectorStatus("email", ConnectorState.Configured, "mail:587", null)
            : new ConnectorStatus("email", ConnectorState.Failing, "mail:587", "It refused the connection.");
        return Task.FromResult(
            new ConnectorsReply([new ConnectorStatus("rest", ConnectorState.Configured, null, null), email]));
    }

    public static async Task<ApiHost> StartAsync(
        IPlanDesk desk, CorsMode cors = CorsMode.Any, int depthMax = 2, bool strict = true, Health? health = null,
        int bodyBytesMax = 1024 * 1024)
    {
        var options = new HttpOptions
        {
            Endpoints = [new HttpEndpoint("127.0.0.1", 0)],
            Cors = cors,
            MaxChainedDepth = depthMax,
            Strict = strict,
            BodyBytesMax = bodyBytesMax,
        };
        health ??= new Health(new FakeTimeProvider(), () => null);
        var deadLetters = new FakeDeadLetters();
        var api = new HttpApi(
            options, desk, deadLetters, Nobody, TwoConnectorsAsync, Metrics, health, NullLoggerFactory.Instance);
        var addresses = await api.StartAsync(TestContext.Current.CancellationToken);
        return new ApiHost(api, Assert.Single(addresses), deadLetters);
    }

    public Task<Reply> GetAsync(string path, params (string Name, string Value)[] headers) =>
        SendAsync(HttpMethod.Get, path, null, null, headers);

    public Task<Reply> PostAsync(string path, string json, params (string Name, string Value)[] headers) =>
        SendAsync(HttpMethod.Post, path, Utf8.GetBytes(json), "application/json", headers);

    public Task<Reply> PatchAsync(string path, string json, params (string Name, string Value)[] headers) =>
        SendAsync(HttpMethod.Patch, path, Utf8.GetBytes(json), "application/json", headers);

    public async Task<Reply> SendAsync(
        HttpMethod method, string path, byte[]? body, string? contentType, params (string Name, string Value)[] headers)
    {
        // A relative address that begins with two slashes would name a host.
        using var request = new HttpRequestMessage(method, new Uri(Address.GetLeftPart(UriPartial.Authority) + path));
        if (body is not null)
            request.Content = new ByteArrayContent(body);

        if (contentType is not null)
            request.Content!.Headers.TryAddWithoutValidation("Content-Type", contentType);

        foreach (var (name, value) in headers)
        {
            if (request.Headers.TryAddWithoutValidation(name, value))
                continue;

            request.Content ??= new ByteArrayContent([]);
            request.Content.Headers.TryAddWithoutValidation(name, value);
        }

        using var response = await _client.SendAsync(request, TestContext.Current.CancellationToken);
        string text = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        var fields = response.Headers.Concat(response.Content.Headers)
            .ToDictionary(
                field => field.Key, field => string.Join(", ", field.Value), StringComparer.OrdinalIgnoreCase);
        return new Reply((int)response.StatusCode, text, fields);
    }

    /// <summary>Sends bytes as they are and reads until the server closes.</summary>
    public async Task<string> SendRawAsync(string request)
    {
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(IPAddress.Loopback, Address.Port, TestContext.Current.CancellationToken);
        await using var stream = new NetworkStream(socket);
        await stream.WriteAsync(Encoding.Latin1.GetBytes(request), TestContext.Current.CancellationToken);
        using var reader = new StreamReader(stream, Encoding.Latin1);
        return await reader.ReadToEndAsync(TestContext.Current.CancellationToken);
    }

    public Task StopAsync(CancellationToken impatient) => _api.StopAsync(impatient);

    /// <summary>Binds, stops again, and tells what was bound.</summary>
    public static async Task<IReadOnlyList<Uri>> BindAsync(HttpOptions options)
    {
        var health = new Health(new FakeTimeProvider(), () => null);
        await using var api = new HttpApi(
            options, new FakeDesk(), new FakeDeadLetters(), Nobody, TwoConnectorsAsync, Metrics, health,
            NullLoggerFactory.Instance);
        var addresses = await api.StartAsync(TestContext.Current.CancellationToken);
        await api.StopAsync(TestContext.Current.CancellationToken);
        return addresses;
    }

    public async ValueTask DisposeAsync()
    {
        _client.Dispose();
        await _api.StopAsync(new CancellationToken(canceled: true));
        await _api.DisposeAsync();
    }
}

/// <summary>What came back. Headers that are missing read as null.</summary>
internal sealed record Reply(int Status, string Text, IReadOnlyDictionary<string, string> Headers)
{
    public string? Header(string name) => Headers.GetValueOrDefault(name);
}
