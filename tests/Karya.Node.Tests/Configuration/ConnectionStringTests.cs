using Karya.Node.Configuration;
using Xunit;

namespace Karya.Node.Tests.Configuration;

public sealed class ConnectionStringTests
{
    [Theory]
    [InlineData("Host=db", "db:5432")]
    [InlineData("host=db;user id=u;password=p", "db:5432/u")]
    [InlineData("Server=10.0.0.1;Port=1;Database=d;Username=u", "10.0.0.1:1/d")]
    [InlineData("Host=a:1,b:2;Database=d", "a:1,b:2/d")]
    [InlineData("Host=/run/postgresql;Database=d", "/run/postgresql:5432/d")]
    [InlineData("Host=::1;Database=d", "::1/d")]
    [InlineData("Host=db;Database=d;Password=\"a;b=\"\"c\"", "db:5432/d")]
    public void What_is_shown_is_the_host_the_port_and_the_database(string text, string expected)
    {
        Assert.Null(ConnectionString.Read(text, out string connectionString));
        Assert.Equal(expected, ConnectionString.Shown(connectionString));
    }

    [Theory]
    [InlineData("Database=s3cret", "names no host; add Host=localhost, or where Postgres is")]
    [InlineData("Host=;Database=s3cret", "names no host; add Host=localhost, or where Postgres is")]
    [InlineData("Host=db;Usrname=s3cret", "usrname is no keyword of Npgsql; Username is the nearest")]
    [InlineData("Host=db;Port=s3cret", "port has a value that is not allowed")]
    [InlineData("Host=db;Port=65536", "port has a value that is not allowed")]
    [InlineData("Host=db;SSL Mode=s3cret", "ssl mode has a value that is not allowed")]
    [InlineData("postgresql://u:s3cret@db/d", "is a URL; write keyword=value pairs such as ")]
    [InlineData("postgresql://u:s3cret@db/d?sslmode=require", "is a URL; write keyword=value pairs such as ")]
    [InlineData("s3cret", "is not made of keyword=value pairs such as ")]
    [InlineData("Host=db;Password=a;s3cret", "is not made of keyword=value pairs such as ")]
    [InlineData(
        "Host=db;Password=a;s3cret=b", "keyword 3 of it is none that Npgsql knows; a value with a ; in it stands in")]
    [InlineData(
        "Host=db;Password=s3cret;Minimum Pool Size=5;Maximum Pool Size=2",
        "cannot be used: Connection can't have 'Max Pool Size' 2 under 'Min Pool Size' 5")]
    public void A_mistake_names_the_keyword_and_no_value(string text, string expected)
    {
        string? mistake = ConnectionString.Read(text, out _);

        Assert.StartsWith(expected, mistake, StringComparison.Ordinal);
        Assert.DoesNotContain("s3cret", mistake, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("${env:WHOLE}", "Host=db;Port=7")]
    [InlineData("Host=${env:HOST};Port=${env:PORT}", "host=db;port=7")]
    [InlineData("Host=a-${env:HOST}-${env:PORT}", "host=a-db-7")]
    [InlineData("Host=db;Password=$pa{}ss$", "host=db;password=$pa{}ss$")]
    public void A_reference_is_all_of_the_text_or_a_part_of_a_value(string text, string expected)
    {
        Assert.Null(ConnectionString.Resolve(text, Secrets(), out string resolved));
        Assert.Equal(expected, resolved);
    }

    [Theory]
    [InlineData("${env:NOPE}", "the variable NOPE is not set, or empty")]
    [InlineData("Host=db;Password=${env:EMPTY}", "password: the variable EMPTY is not set, or empty")]
    [InlineData("Host=db;Password=${file:no/such}", "password: the file no/such is not there, or may not be read")]
    [InlineData("Host=db;Password=${file:}", "password: the file  is not there, or may not be read")]
    [InlineData("Host=db;Password=${file:/dev/null}", "password: the file /dev/null is empty")]
    [InlineData(
        "Host=db;Password=${file:/dev/zero}", "password: the file /dev/zero is larger than 64KiB; is it the right")]
    [InlineData("Host=db;Password=${vault:x}", "password: a reference is written ${env:NAME} or ${file:path}")]
    public void A_reference_to_nothing_is_a_mistake_that_names_it(string text, string expected) =>
        Assert.StartsWith(expected, ConnectionString.Resolve(text, Secrets(), out _), StringComparison.Ordinal);

    private static SecretReferences Secrets() => new(
        new Dictionary<string, string>
        {
            ["WHOLE"] = "Host=db;Port=7",
            ["HOST"] = "db",
            ["PORT"] = "7",
            ["EMPTY"] = "",
        },
        Path.GetTempPath());
}
