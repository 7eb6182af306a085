using Karya.Node.Configuration;
using Microsoft.Extensions.Logging;
using Npgsql;
using Xunit;

namespace Karya.Node.Tests.Configuration;

public sealed class OptionsReaderTests : IDisposable
{
    private const string Postgres = "KARYA_STORAGE__POSTGRES__CONNECTIONSTRING";

    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("karya-options-");

    public void Dispose() => _directory.Delete(recursive: true);

    [Fact]
    public void No_configuration_at_all_is_a_working_node()
    {
        var reading = Read();

        Assert.Empty(reading.Problems);
        Assert.Empty(reading.Notes);
        Assert.Equal(NodeOptions.Default, reading.Options);
    }

    [Fact]
    public void Flags_win_over_environment_over_file_over_defaults()
    {
        Write("storage:\n  path: file.db\nlog:\n  level: debug\nexecutor:\n  concurrency: 100\n");

        var options = Read(
            data: "there", ("KARYA_STORAGE__PATH", "environment.db"), ("karya_log__level", "WARN")).Options;

        Assert.Equal(Path.Combine("there", "karya.db"), options.Storage.Path);
        Assert.Equal(LogLevel.Warning, options.Log.Level);
        Assert.Equal(100, options.Executor.Concurrency);
        Assert.Equal(64, options.Executor.PerTarget);
    }

    [Fact]
    public void All_mistakes_of_all_sources_are_reported_at_once()
    {
        Write("http:\n  lisen: 127.0.0.1:1\nretry:\n  delay: 5m\n");

        var problems = Read(data: "", ("KARYA_EXECUTOR__CONCURRENCY", "0"), ("KARYA_HTP__LISTEN", "x")).Problems;

        Assert.Equal(
            [
                "karya-node.yml:2: http.lisen: unknown key. Did you mean http.listen?",
                "KARYA_HTP__LISTEN: unknown variable. Did you mean KARYA_HTTP__LISTEN?",
                "--data: names no directory.",
                "KARYA_EXECUTOR__CONCURRENCY: executor.concurrency: 0 is out of range; allowed is 1 to 65536. " +
                "The default is 256.",
                "karya-node.yml:4: retry.delay (5m) exceeds retry.delayMax (1m). Lower the first or raise the second.",
            ],
            problems);
    }

    [Theory]
    [InlineData("executor.perTarget", "300", "executor.perTarget (300) exceeds executor.concurrency (256)")]
    [InlineData("executor.concurrency", "32", "executor.perTarget (64) exceeds executor.concurrency (32)")]
    [InlineData("retry.delayMax", "500ms", "retry.delay (1s) exceeds retry.delayMax (500ms)")]
    [InlineData("engine.shards", "256", null)]
    [InlineData("engine.partitions", "1", null)]
    [InlineData("tcp.listen", "localhost:8080", "want the same port")]
    [InlineData("http.listen", "0.0.0.0:8080", "security.allowAnonymous")]
    [InlineData("tcp.listen", "[::]:7070", "security.allowAnonymous")]
    [InlineData("http.listen", "localhost:0", null)]
    [InlineData("storage.retention", "59s", "59s is out of range; allowed is 1m to 3650d")]
    [InlineData("storage.retention", "99999999999999999d", "is out of range")]
    [InlineData("storage.retention", "30", "the unit is missing")]
    [InlineData("storage.retention", "1.5h", "90m instead of 1.5h")]
    [InlineData("storage.retention", "PT30S", "30s instead of PT30S")]
    [InlineData("connectors.rest.responseBytesMax", "64KB", "write KiB")]
    [InlineData("connectors.rest.responseBytesMax", "17MiB", "allowed is 1KiB to 16MiB")]
    [InlineData("connectors.rest.responseBytesMax", "16MiB", null)]
    [InlineData("compat.cors", "all", "it must be loopback or any")]
    [InlineData("compat.strict", "yes", "it must be true or false")]
    [InlineData("engine.shards", "many", "is not a whole number; allowed is auto, or 1 to 256")]
    [InlineData("executor.concurrency", "99999999999999999999", "is not a whole number")]
    [InlineData("executor.concurrency", "-1", "-1 is out of range")]
    [InlineData("storage.path", "data/", "does not name a file")]
    [InlineData("http.listen", "example.org:80", "is not an address")]
    [InlineData("log.level", "", "\"\" is not allowed")]
    [InlineData("cluster.lease", "999ms", "999ms is out of range; allowed is 1s to 1m")]
    [InlineData("cluster.lease", "1m", null)]
    [InlineData("cluster.redis", "none", null)]
    [InlineData("cluster.redis", "password=secret", "names no server; write host:port, or several")]
    [InlineData("cluster.redis", "redis:6379,sll=true", "is not understood; write host:port, or several")]
    [InlineData("cluster.node", "a b", "\"a b\" is not allowed; it must be auto, or 1 to 63 of a-z")]
    [InlineData("cluster.node", "a/b", "\"a/b\" is not allowed; it must be auto, or 1 to 63 of a-z")]
    [InlineData("cluster.advertise", "", "\"\" is not allowed; it must be auto, or 1 to 63 of a-z")]
    [InlineData("cluster.advertise", "fe80::1", null)]
    [InlineData("storage.postgres.schema", "karya_2", null)]
    [InlineData("storage.postgres.schema", "Karya", "\"Karya\" is not a schema's name")]
    [InlineData("storage.postgres.schema", "2nd", "is not a schema's name")]
    [InlineData("storage.postgres.schema", "pg_karya", "is not a schema's name")]
    [InlineData("storage.postgres.schema", "a\n", "is not a schema's name")]
    [InlineData("storage.postgres.schema", "", "is not a schema's name")]
    public void Limits_of_values_and_between_values_are_told_with_the_way_out(string key, string text, string? expected)
    {
        string name = OptionTable.Find(key)!.EnvironmentName;

        var problems = Read(data: null, (name, text)).Problems;

        if (expected is null)
        {
            Assert.Empty(problems);
            return;
        }

        string problem = Assert.Single(problems);
        Assert.StartsWith(name + ": ", problem, StringComparison.Ordinal);
        Assert.Contains(expected, problem, StringComparison.Ordinal);
    }

    [Fact]
    public void Strangers_may_be_let_in_on_purpose()
    {
        var reading = Read(data: null, ("KARYA_HTTP__LISTEN", "*:8080"), ("KARYA_SECURITY__ALLOWANONYMOUS", "true"));

        Assert.Empty(reading.Problems);
        Assert.True(reading.Options.Http.Listen.IsAny);
    }

    [Fact]
    public void More_shards_than_partitions_are_refused_but_auto_adapts()
    {
        Assert.Empty(Read(data: null, ("KARYA_ENGINE__PARTITIONS", "1")).Problems);

        var problems = Read(data: null, ("KARYA_ENGINE__PARTITIONS", "4"), ("KARYA_ENGINE__SHARDS", "5")).Problems;
        Assert.Contains(
            "engine.shards (5) exceeds engine.partitions (4)", Assert.Single(problems), StringComparison.Ordinal);
    }

    [Fact]
    public void A_named_file_must_exist_and_the_flag_wins_over_the_variable()
    {
        Write("log:\n  level: error\n", "mine.yml");

        Assert.Equal("KARYA_CONFIG: there is no file \"nope.yml\". Without one, the defaults apply.",
            Assert.Single(Read(data: null, ("KARYA_CONFIG", "nope.yml")).Problems));

        var reading = OptionsReader.Read("mine.yml", null, _directory.FullName,
            new Dictionary<string, string> { ["KARYA_CONFIG"] = "nope.yml" });
        Assert.Empty(reading.Problems);
        Assert.Equal(LogLevel.Error, reading.Options.Log.Level);
    }

    [Fact]
    public void Files_of_the_original_are_noted_once_each_and_not_refused()
    {
        var reading = Read(data: null, ("KARYA_SERVER_CONFIG_PATH", "/a"), ("KARYA_EXECUTOR_CONFIG_PATH", "/b"));

        Assert.Empty(reading.Problems);
        Assert.Equal(2, reading.Notes.Count);
        Assert.Contains("KARYA_EXECUTOR_CONFIG_PATH is not used", reading.Notes[0], StringComparison.Ordinal);
    }

    [Fact]
    public void Other_variables_of_ours_are_refused_unless_Kubernetes_set_them()
    {
        (string, string)[] links =
            [("KARYA_SERVICE_HOST", "10.0.0.1"), ("KARYA_PORT_8080_TCP_ADDR", "10.0.0.1"), ("HOME", "/")];

        Assert.Equal(2, Read(data: null, links).Problems.Count);
        Assert.Empty(Read(data: null, [.. links, ("KUBERNETES_SERVICE_HOST", "10.0.0.2")]).Problems);
    }

    [Fact]
    public void A_flag_that_asks_for_a_file_and_a_connection_string_do_not_go_together()
    {
        var problems = Read(data: "there", (Postgres, "Host=db")).Problems;

        Assert.Equal(
            [$"--data: asks for a file, and {Postgres} for Postgres; leave out one of the two."], problems);
        Assert.Empty(Read(data: "there", (Postgres, "none")).Problems);
        Assert.Empty(Read(data: null, (Postgres, "Host=db"), ("KARYA_STORAGE__PATH", "a.db")).Problems);
    }

    [Fact]
    public void A_secret_may_come_from_a_variable_or_from_a_file_beside_the_configuration()
    {
        Write("storage:\n  postgres:\n    connectionString: Host=db;Password=${file:secret}${env:DB_END}\n");
        Write("s3;cret\"'\r\n", "secret");

        var reading = Read(data: null, ("DB_END", "=${env:DB_END}"));

        Assert.Empty(reading.Problems);
        var read = new NpgsqlConnectionStringBuilder(reading.Options.Storage.Postgres.ConnectionString);
        Assert.Equal("s3;cret\"'=${env:DB_END}", read.Password);
    }

    [Fact]
    public void Options_that_are_printed_do_not_show_the_password()
    {
        var options = Read(data: null, (Postgres, "Host=db;Database=d;Username=u;Password=s3cret")).Options;

        Assert.Equal("db:5432/d", OptionTable.Find(OptionTable.PostgresKey)!.Show(options));
        Assert.Contains("db:5432/d", options.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("s3cret", options.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_cluster_with_a_file_for_its_store_is_refused()
    {
        const string Redis = "KARYA_CLUSTER__REDIS";
        string problem = Assert.Single(Read(data: null, (Redis, "redis:6379")).Problems);

        Assert.StartsWith($"{Redis}: cluster.redis makes this node a member of a cluster", problem);
        Assert.Contains("Set storage.postgres.connectionString, or leave out cluster.redis.", problem);
        Assert.Single(Read(data: "there", (Redis, "redis")).Problems);
        Assert.Empty(Read(data: null, (Redis, "redis:6379"), (Postgres, "Host=db")).Problems);
        Assert.Empty(Read(data: null, (Redis, "none")).Problems);
    }

    [Fact]
    public void The_password_of_redis_may_be_a_reference_and_is_never_shown()
    {
        var reading = Read(
            data: null, (Postgres, "Host=db"), ("SECRET", "s3cret"),
            ("KARYA_CLUSTER__REDIS", "one,two:7000,password=${env:SECRET},ssl=true"));

        Assert.Empty(reading.Problems);
        Assert.Equal("one,two:7000,password=s3cret,ssl=true", reading.Options.Cluster.Redis);
        Assert.Equal("one:6379,two:7000", OptionTable.Find("cluster.redis")!.Show(reading.Options));
        Assert.DoesNotContain("s3cret", reading.Options.ToString(), StringComparison.Ordinal);
        string problem = Assert.Single(
            Read(data: null, (Postgres, "Host=db"), ("KARYA_CLUSTER__REDIS", "one,pasword=s3cret")).Problems);
        Assert.DoesNotContain("s3cret", problem, StringComparison.Ordinal);
    }

    [Fact]
    public void A_variable_that_is_set_in_two_spellings_is_refused()
    {
        var problems = Read(data: null, ("KARYA_LOG__LEVEL", "info"), ("karya_log__level", "debug")).Problems;

        Assert.Equal(
            "karya_log__level: is the same as KARYA_LOG__LEVEL; unset one of the two.", Assert.Single(problems));
    }

    private OptionsReading Read(string? data = null, params (string Name, string Value)[] environment) =>
        OptionsReader.Read(null, data, _directory.FullName,
            environment.ToDictionary(pair => pair.Name, pair => pair.Value));

    private void Write(string yaml, string name = OptionsFile.DefaultName) =>
        File.WriteAllText(Path.Combine(_directory.FullName, name), yaml);
}
