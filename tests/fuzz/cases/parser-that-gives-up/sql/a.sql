select * from read_csv('a.csv', columns = {: 'date'})
